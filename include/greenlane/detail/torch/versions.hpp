// The PyTorch and CUDA versions that greenlane was built for.
#pragma once

#include <string>
#include <string_view>

namespace greenlane {

// For example "2.14.0".
[[nodiscard]] std::string_view torch_version();
// The version of the CUDA runtime, for example "13.0".
[[nodiscard]] std::string cuda_version();

}  // namespace greenlane
