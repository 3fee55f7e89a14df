// Copies between tensors of one size and dtype, which cost less than PyTorch's operator.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

#include <cstring>

namespace greenlane::runtime {

// Whether one memory copy does it. A zero tensor and some subclasses have no memory.
[[nodiscard]] inline bool is_one_block(const at::Tensor& to, const at::Tensor& from) {
  return from.is_non_overlapping_and_dense() && to.strides() == from.strides() && to.is_conj() == from.is_conj() &&
         to.is_neg() == from.is_neg() && !from._is_zerotensor() && !from.unsafeGetTensorImpl()->is_python_dispatch();
}

// Copies on the host. PyTorch's operator would wake the threads of its pool for a large tensor, and wait for them where
// all cores are busy.
inline void copy_on_host(const at::Tensor& to, const at::Tensor& from) {
  if (is_one_block(to, from)) {
    std::memcpy(to.mutable_data_ptr(), from.const_data_ptr(), from.nbytes());
  } else {
    to.copy_(from);
  }
}

// Copies to a GPU's tensor from anywhere, on a stream of that GPU.
inline void copy_to_gpu(const at::Tensor& to, const at::Tensor& from, c10::cuda::CUDAStream stream) {
  if (from.is_cuda() && from.device() != to.device() && is_one_block(to, from)) {
    C10_CUDA_CHECK(cudaMemcpyPeerAsync(to.mutable_data_ptr(), to.device().index(), from.const_data_ptr(),
                                       from.device().index(), from.nbytes(), stream));
  } else if (is_one_block(to, from)) {
    C10_CUDA_CHECK(
        cudaMemcpyAsync(to.mutable_data_ptr(), from.const_data_ptr(), from.nbytes(), cudaMemcpyDefault, stream));
  } else {
    to.copy_(from, /*non_blocking=*/true);
  }
}

}  // namespace greenlane::runtime
