// A GPU as a device: its units are SMs, its partitions are green contexts, its lanes are streams.
#pragma once

#include "core/cuda/cuda_stream.hpp"
#include "core/cuda/green_context.hpp"
#include "core/device_state.hpp"

#include <atomic>
#include <cstdint>
#include <map>

namespace greenlane::detail {

class CudaDevice final : public DeviceState {
 public:
  // Returns the number of GPUs of this machine; 0 if there is no usable driver.
  [[nodiscard]] static int count() noexcept;
  // Returns the reason why no GPU can be used in this process though its parent used CUDA; empty in any other process.
  [[nodiscard]] static std::string why_lost_in_fork();
  // Opens a GPU. Makes no context yet.
  // Throws: DeviceError if the GPU does not exist or there is no driver.
  [[nodiscard]] static std::shared_ptr<CudaDevice> open(int index);

  CudaDevice(const driver::Table& driver, CUdevice device, DeviceInfo info, SmSplit split);

  [[nodiscard]] std::shared_ptr<UnitSet> make_units(std::span<const int> groups) override;
  [[nodiscard]] std::unique_ptr<LaneBackend> make_lane(const std::shared_ptr<UnitSet>& units, const std::string& name,
                                                       std::optional<int> priority, LaneUse use) override;
  [[nodiscard]] std::unique_ptr<LaneBackend> adopt(StreamView stream) override;
  [[nodiscard]] ForeignUnits units_of(StreamView stream) override;
  [[nodiscard]] std::unique_ptr<EventBackend> make_event() override;
  [[nodiscard]] std::unique_ptr<EventBackend> make_timed_event() override;
  [[nodiscard]] bool is_capturing(StreamView stream) override;
  [[nodiscard]] std::optional<std::uint64_t> capture_of(StreamView stream) override;
  void give_to_capture(StreamView stream, std::unique_ptr<LaneInGraph> lane) override;
  [[nodiscard]] void* native_context() override;
  [[nodiscard]] std::unique_ptr<GraphBackend> begin_capture(StreamView stream) override;

  void shelve(std::unique_ptr<CudaStream> stream) noexcept { shelf_.put(std::move(stream)); }

 private:
  [[nodiscard]] std::shared_ptr<PrimaryContext> primary();

  const driver::Table& driver_;
  CUdevice device_;
  SmSplit split_;
  std::mutex mutex_;
  std::shared_ptr<PrimaryContext>
      primary_;  // retained at the first need: a query of the device's properties must cost nothing
  std::atomic<CUcontext> context_{nullptr};  // the primary context, for fast access in every call
  StreamShelf shelf_;
  std::map<std::uint64_t, std::weak_ptr<GreenContext>>
      foreign_;  // green contexts that others made, by the driver's numbers
};

}  // namespace greenlane::detail
