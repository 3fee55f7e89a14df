// The tensors in a file that torch.save wrote.
#pragma once

#include <ATen/core/Tensor.h>

#include <stdexcept>
#include <string>
#include <vector>

namespace greenlane::detail {

// The file holds something else; its text says what.
class NoListOfTensors : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Reads a list or tuple of tensors. Not by PyTorch's own C++ reader: that knows no float8 and no unsigned tensors, and
// nested lists overflow its stack. No code in the file is run. Tensors that shared memory share it again. What was
// saved on a GPU comes back on it; on the CPU where this process has no such GPU. Throws NoListOfTensors, or another
// std::exception, the first line of whose text says why it cannot be read.
[[nodiscard]] std::vector<at::Tensor> read_tensor_file(const std::string& path);

}  // namespace greenlane::detail
