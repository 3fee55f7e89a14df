#include "torch/cpu_threads.hpp"
#include "torch/tensor_lifetimes.hpp"

#include <greenlane/torch/bound_call.hpp>

#include <ATen/ThreadLocalState.h>

namespace greenlane {
namespace {

c10::DeviceIndex index_of(const StreamBinding& binding) {
  return static_cast<c10::DeviceIndex>(binding.device().id().index);
}

}  // namespace

BoundCall::BoundCall(StreamBinding& binding, std::span<const at::Tensor> inputs)
    : context_(binding.device()),
      caller_(c10::cuda::getCurrentCUDAStream(index_of(binding))),
      call_(binding.enter(StreamView(caller_.stream()))),
      // The kernels of a compiled engine take a handle; what it allocates, and its fallback operators, follow the
      // current stream.
      guard_(call_.crosses() ? c10::cuda::getStreamFromExternal(call_.stream().handle(), index_of(binding)) : caller_) {
  if (!call_.crosses()) return;
  call_.lane().value().keep_stream();
  detail::record_on(inputs, stream());
}

void BoundCall::finish(std::span<const at::Tensor> outputs) {
  if (call_.crosses()) detail::record_on(outputs, caller_);
  call_.finish();
}

void call_on_cpu(const StreamBinding& binding, const std::function<void()>& work) {
  const auto lane = binding.lane();
  if (!lane) {
    work();
    return;
  }
  const at::ThreadLocalState settings;
  lane->run([&] {
    const at::ThreadLocalStateGuard guard(settings);
    if (lane->partition()) detail::use_threads(lane->units().count);
    work();
  });
}

}  // namespace greenlane
