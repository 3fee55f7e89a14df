#include "torch/tensorrt/context_setting.hpp"

#include <ATen/core/class_type.h>
#include <ATen/core/function.h>

#include <algorithm>

namespace greenlane::tensorrt {
namespace {

c10::IValue ask(const c10::IValue& engine, torch::jit::Function& function) {
  return function(std::vector<c10::IValue>{engine});
}

// Returns a property of the engine, or `if_absent`, because versions of Torch-TensorRT differ.
c10::IValue property(const c10::IValue& engine, const char* name, c10::IValue if_absent) {
  if (!engine.isObject()) return if_absent;
  const auto found = engine.toObjectRef().type()->getProperty(name);
  return found ? ask(engine, *found->getter) : if_absent;
}

}  // namespace

std::vector<std::int64_t> context_setting(const c10::IValue& engine, std::span<const at::Tensor> inputs) {
  std::vector<std::int64_t> setting;
  for (const auto& input : inputs) {
    setting.push_back(input.dim());
    setting.insert(setting.end(), input.sizes().begin(), input.sizes().end());
  }
  setting.push_back(property(engine, "_active_profile_index", std::int64_t{0}).toInt());
  setting.push_back(property(engine, "device_memory_budget", std::int64_t{0}).toInt());
  if (engine.isObject()) {
    if (auto* const created = engine.toObjectRef().type()->findMethod("num_execution_contexts_created"))
      setting.push_back(std::max<std::int64_t>(ask(engine, *created).toInt(), 1));  // the first call makes the first
  }
  return setting;
}

bool uses_output_allocator(const c10::IValue& engine) {
  return property(engine, "use_output_allocator_outputs", false).toBool();
}

bool keeps_outputs(const c10::IValue& engine) { return property(engine, "use_pre_allocated_outputs", false).toBool(); }

}  // namespace greenlane::tensorrt
