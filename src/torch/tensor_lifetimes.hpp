// Keeping memory from being reused while another stream still works on it.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/cuda/CUDAStream.h>

#include <span>

namespace greenlane::detail {

// Tells the caching allocator that `stream` uses these tensors: their memory is given to nobody else before what is
// enqueued there now is done. Tensors that are not on a GPU are passed over.
void record_on(std::span<const at::Tensor> tensors, c10::cuda::CUDAStream stream);

}  // namespace greenlane::detail
