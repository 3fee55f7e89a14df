// An operator that leaves its caller's stream, as some plugins do: for tests of the audit.
#include <ATen/ATen.h>
#include <c10/core/Event.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAGuard.h>
#include <torch/library.h>

namespace {

at::Tensor stray(const at::Tensor& x) {
  const auto here = c10::cuda::getCurrentCUDAStream(x.get_device());
  const auto side = c10::cuda::getStreamFromPool(/*isHighPriority=*/false, x.get_device());
  c10::Event fork(c10::DeviceType::CUDA);
  fork.record(here.unwrap());
  fork.block(side.unwrap());
  at::Tensor y;
  {
    const c10::cuda::CUDAStreamGuard guard(side);
    y = at::relu(x);
  }
  c10::Event join(c10::DeviceType::CUDA);
  join.record(side.unwrap());
  join.block(here.unwrap());
  y.record_stream(here.unwrap());
  x.record_stream(side.unwrap());
  return y;
}

}  // namespace

// A fragment, because others have operators in this namespace too.
TORCH_LIBRARY_FRAGMENT(greenlane_test, m) { m.def("stray(Tensor x) -> Tensor"); }
TORCH_LIBRARY_IMPL(greenlane_test, CUDA, m) { m.impl("stray", stray); }
TORCH_LIBRARY_IMPL(greenlane_test, Meta, m) {
  m.impl("stray", [](const at::Tensor& x) { return at::empty_like(x); });
}
