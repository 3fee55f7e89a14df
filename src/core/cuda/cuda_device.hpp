// A GPU as a device: its units are SMs, its partitions green contexts, its lanes streams.
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
  // GPUs of this machine; 0 where there is no usable driver.
  [[nodiscard]] static int count() noexcept;
  // Why no GPU can be used in this process though its parent used some; empty where it is no such process.
  [[nodiscard]] static std::string why_lost_in_fork();
  // Throws DeviceError where there is no such GPU or no driver. Makes no context yet.
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
      primary_;  // retained at the first need: asking a device what it is should cost nothing
  std::atomic<CUcontext> context_{nullptr};  // the primary one's, for the path of every call
  StreamShelf shelf_;
  std::map<std::uint64_t, std::weak_ptr<GreenContext>> foreign_;  // green contexts of others, by the driver's numbers
};

}  // namespace greenlane::detail
