// One call of anything that enqueues PyTorch work, on the stream of its binding.
#pragma once

#include <greenlane/core/binding.hpp>
#include <greenlane/core/current_context.hpp>

#include <ATen/core/Tensor.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <functional>
#include <optional>
#include <span>

namespace greenlane {

// For engines on a GPU:
//
//   BoundCall call(binding, inputs);   // the binding's stream waits for the caller's, and is current from now on
//   auto outputs = model(inputs);
//   call.finish(outputs);              // the caller's stream waits for the binding's
//   …                                  // when `call` goes, the caller's stream is current again
//
// The caller's stream is the one that is current on the binding's device, whatever device is current. Where the two
// streams are one, only the device is guarded. Otherwise every input is recorded on the binding's stream and every
// output on the caller's, so that the caching allocator gives their memory to nobody too early. The device's primary
// context is current meanwhile: a thread that is new to CUDA has none, and the caller may have made another current.
// Begin, finish and destroy on one thread. Thread safety of the binding: see StreamBinding.
class BoundCall {
 public:
  // Throws DriverError.
  BoundCall(StreamBinding& binding, std::span<const at::Tensor> inputs);
  // Joins where finish() was not reached, and leaves the caller's stream, device and context as they were.
  ~BoundCall() = default;
  BoundCall(const BoundCall&) = delete;
  BoundCall& operator=(const BoundCall&) = delete;

  [[nodiscard]] c10::cuda::CUDAStream stream() const noexcept { return guard_.current_stream(); }
  // Whether the engine is bound, and other calls of it therefore wait until this one is finished.
  [[nodiscard]] bool is_bound() const noexcept { return call_.lane().has_value(); }
  // The lane that it is bound to.
  [[nodiscard]] const std::optional<Lane>& lane() const noexcept { return call_.lane(); }
  // Whether the call goes into a graph that is being captured on the caller's stream.
  [[nodiscard]] bool is_captured() const noexcept { return call_.is_captured(); }
  // Throws DriverError.
  void finish(std::span<const at::Tensor> outputs);

 private:
  CurrentContext context_;
  c10::cuda::CUDAStream caller_;
  StreamBinding::Call call_;
  c10::cuda::CUDAStreamGuard guard_;
};

// For engines on the CPU: runs `work` on the lane that the engine is bound to, and returns when it has returned; in
// place where nothing is bound, but for a forked child's first thread, on which OpenMP may hang. `work` finds the
// caller's settings that belong to a thread: PyTorch's (grad and inference mode, autocast, default device and so on),
// the floating-point environment, and, on a lane that is pinned nowhere, the number of threads. Throws StreamError in a
// process that was forked after the lane was made.
void call_on_cpu(const StreamBinding& binding, const std::function<void()>& work);
// The same for callers that may stop waiting: queues `work`, which owns what it uses. Nothing: nothing is bound, and it
// has run in place.
[[nodiscard]] std::optional<LaneWork> submit_on_cpu(const StreamBinding& binding, std::function<void()> work);

}  // namespace greenlane
