// Which PyTorch and CUDA greenlane was built for.
#pragma once

#include <string>
#include <string_view>

namespace greenlane {

// E.g. "2.14.0".
[[nodiscard]] std::string_view torch_version();
// Of the CUDA runtime that this PyTorch brings, e.g. "13.0".
[[nodiscard]] std::string cuda_version();

}  // namespace greenlane
