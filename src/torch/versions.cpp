#include <greenlane/detail/torch/versions.hpp>

#include <cuda_runtime_api.h>
#include <torch/version.h>

namespace greenlane {

std::string_view torch_version() { return TORCH_VERSION; }

std::string cuda_version() {
  return std::to_string(CUDART_VERSION / 1000) + "." + std::to_string(CUDART_VERSION % 1000 / 10);
}

}  // namespace greenlane
