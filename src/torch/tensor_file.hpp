// The tensors in a file that torch.save wrote.
#pragma once

#include <ATen/core/Tensor.h>

#include <stdexcept>
#include <string>
#include <vector>

namespace greenlane::detail {

// An error: the file holds something else than a list of tensors. Its text says what.
class NoListOfTensors : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Reads a list or tuple of tensors. No code in the file is run. Tensors that shared memory share it again. A tensor
// that was saved on a GPU comes back on that GPU, or on the CPU if this process has no such GPU. PyTorch's own C++
// reader is not used, because it does not know float8 and unsigned tensors, and nested lists overflow its stack.
// Throws: NoListOfTensors, or another std::exception whose text's first line says why the file cannot be read.
[[nodiscard]] std::vector<at::Tensor> read_tensor_file(const std::string& path);

}  // namespace greenlane::detail
