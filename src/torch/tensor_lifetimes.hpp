// Protection of memory from reuse while another stream still works on it.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/cuda/CUDAStream.h>

#include <span>

namespace greenlane::detail {

// Tells the caching allocator that `stream` uses these tensors. Their memory is not reused before the work that is
// enqueued there now is done. Tensors that are not on a GPU are passed over.
void record_on(std::span<const at::Tensor> tensors, c10::cuda::CUDAStream stream);

}  // namespace greenlane::detail
