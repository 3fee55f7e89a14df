// Where a program publishes data into a pipeline.
#pragma once

#include "runtime/edges/outlet.hpp"
#include "runtime/tensor_payload.hpp"

#include <greenlane/core/lane.hpp>
#include <greenlane/detail/core/process.hpp>

#include <ATen/core/Tensor.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace greenlane::runtime {

// Thread safety: all members may be called from any thread.
class TensorSource {
 public:
  // Throws EngineError for an item that does not fit the consumers.
  using Check = std::function<void(const std::vector<at::Tensor>&)>;
  // `index`: of the source in the pipeline. `device`: where its consumers need the data. `examples`: the tensors of an
  // item; undefined for those that nobody takes. Items of other sizes or dtypes go through `check`.
  TensorSource(std::string name, std::size_t index, const Device& device, std::vector<at::Tensor> examples,
               Check check);

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] const std::shared_ptr<Outlet>& outlet() const noexcept { return outlet_; }

  // Throws: EngineError if this is no item of the source.
  void require_fit(const std::vector<at::Tensor>& item) const;

  struct Item {
    std::uint64_t sequence = 0;
    bool was_taken = true;                    // by all edges
    std::shared_ptr<const Written> copied{};  // null: the program's tensors may change at once
  };
  // Hands an item to the consumers. Waits only while the queue of an edge blocks.
  // Stream order: reads device data behind the work on the caller's current stream of that data's device.
  // Throws: EngineError if it does not fit; RequestError if the pipeline is closed; StreamError in a process that was
  // forked since.
  Item publish(const std::vector<at::Tensor>& item);
  // Returns the number of items so far.
  [[nodiscard]] std::uint64_t published() const noexcept { return sequence_; }
  // Ends all waits. publish() throws from now on.
  void close() { outlet_->close(); }

 private:
  // Memory for one item on the device. It is used again, because allocating costs more than copying small items.
  struct Slot {
    std::vector<at::Tensor> device;
    std::vector<at::Tensor> pinned;  // undefined for tensors that the program gave on the device, or pinned
    bool is_staged = false;          // the last copies read `pinned`
    std::shared_ptr<const Written> copied;
  };
  // Slots that no value uses.
  struct Slots {
    std::mutex mutex;  // guards the following members
    std::vector<std::unique_ptr<Slot>> free;
    std::size_t in_use = 0;
  };
  // Returns a slot that goes back when nobody uses it any more; null: the device has not copied what many others hold.
  [[nodiscard]] std::shared_ptr<Slot> take_slot();
  [[nodiscard]] bool is_pinned(const at::Tensor& tensor);
  [[nodiscard]] std::shared_ptr<const TensorPayload> on_cpu(const std::vector<at::Tensor>& item) const;
  // Sets `copied` if the device reads the program's own memory. Returns null if there is no slot.
  [[nodiscard]] std::shared_ptr<const TensorPayload> on_gpu(const std::vector<at::Tensor>& item,
                                                            std::shared_ptr<const Written>& copied);
  // Returns true if the device reads the program's own memory.
  [[nodiscard]] bool enqueue_copies(const std::vector<at::Tensor>& item, Slot& slot, c10::cuda::CUDAStream stream);
  [[nodiscard]] bool is_as_recorded(const std::vector<at::Tensor>& item) const;
  // Makes `room` memory for a copy of a tensor of an item, unless it is. Its strides are the example's, or none in
  // particular.
  void make_room(at::Tensor& room, const at::Tensor& tensor, std::size_t index, const at::TensorOptions& on) const;

  detail::Origin origin_;
  const std::string name_;
  const std::size_t index_;
  const Device device_;
  const std::vector<at::Tensor> examples_;
  const Check check_;
  std::optional<Lane> lane_;  // of the copies; absent on a CPU
  WrittenPool events_;
  std::shared_ptr<Outlet> outlet_ = std::make_shared<Outlet>();
  std::atomic<std::uint64_t> sequence_{0};  // written under the lock
  std::shared_ptr<Slots> slots_ = std::make_shared<Slots>();
  std::mutex mutex_;                              // orders the items; guards the next member
  std::unordered_map<const void*, bool> pinned_;  // memory that was asked about
};

}  // namespace greenlane::runtime
