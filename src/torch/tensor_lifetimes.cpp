#include "torch/tensor_lifetimes.hpp"

#include <c10/cuda/CUDACachingAllocator.h>

namespace greenlane::detail {

void record_on(std::span<const at::Tensor> tensors, c10::cuda::CUDAStream stream) {
  for (const auto& tensor : tensors) {
    // By the storage and not through Tensor::record_stream, which goes through the dispatcher.
    if (tensor.defined() && tensor.is_cuda())
      c10::cuda::CUDACachingAllocator::recordStream(tensor.storage().data_ptr(), stream);
  }
}

}  // namespace greenlane::detail
