// Methods that Torch-TensorRT's runtime never calls. If it does call one, the running test must not go on as if it had
// worked.
#pragma once

#include <string>

namespace tensorrt_double {

// Ends the process.
[[noreturn]] void die(const std::string& message) noexcept;

}  // namespace tensorrt_double

// Defines a virtual method that ends the process: NEVER(int32_t, getNbLayers, () const)
#define NEVER(result, name, ...)                                                 \
  result name __VA_ARGS__ noexcept override {                                    \
    ::tensorrt_double::die("the double of TensorRT has no '" #name "': add it"); \
  }
