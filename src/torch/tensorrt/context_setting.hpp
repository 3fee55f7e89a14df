// The setting of a TensorRT engine's one execution context. What was captured from the context is valid for one
// setting.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>

#include <cstdint>
#include <span>
#include <vector>

namespace greenlane::tensorrt {

// Returns everything that sets the context for a call on these inputs, as far as Torch-TensorRT tells: the inputs'
// shapes, the optimization profile, the memory budget, and which of the engine's contexts it is.
// Source: the engine's methods and properties in core/runtime/register_jit_hooks.cpp of Torch-TensorRT 2.14.
[[nodiscard]] std::vector<std::int64_t> context_setting(const c10::IValue& engine, std::span<const at::Tensor> inputs);

// Return whether the engine's outputs come from an output allocator, or stay from one call to the next. Users may
// change both at any time.
[[nodiscard]] bool uses_output_allocator(const c10::IValue& engine);
[[nodiscard]] bool keeps_outputs(const c10::IValue& engine);

}  // namespace greenlane::tensorrt
