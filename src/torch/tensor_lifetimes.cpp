#include "torch/tensor_lifetimes.hpp"

#include <c10/cuda/CUDACachingAllocator.h>

#include <vector>

namespace greenlane::detail {
namespace {

// Returns the parts of a sparse tensor, which has no storage of its own.
std::vector<at::Tensor> parts_of(const at::Tensor& tensor) {
  switch (tensor.layout()) {
    case at::kSparse:
      return {tensor._indices(), tensor._values()};
    case at::kSparseCsr:
    case at::kSparseBsr:
      return {tensor.crow_indices(), tensor.col_indices(), tensor.values()};
    case at::kSparseCsc:
    case at::kSparseBsc:
      return {tensor.ccol_indices(), tensor.row_indices(), tensor.values()};
    default:
      return {};
  }
}

}  // namespace

void record_on(std::span<const at::Tensor> tensors, c10::cuda::CUDAStream stream) {
  for (const auto& tensor : tensors) {
    if (!tensor.defined() || !tensor.is_cuda()) continue;
    if (tensor.has_storage()) {
      // Uses the storage, because Tensor::record_stream goes through the dispatcher.
      c10::cuda::CUDACachingAllocator::recordStream(tensor.storage().data_ptr(), stream);
    } else {
      record_on(parts_of(tensor), stream);
    }
  }
}

}  // namespace greenlane::detail
