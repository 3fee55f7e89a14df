// Makes workloads from modules of a program.
#pragma once

#include <greenlane/core/device.hpp>
#include <greenlane/detail/runtime/config.hpp>
#include <greenlane/detail/runtime/workload.hpp>

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace greenlane::runtime {

// A module, as a function of flat tensors.
struct ModuleSource {
  // Runs it on the current stream, on exactly these tensors. Called from any thread, one call at a time.
  std::function<std::vector<at::Tensor>(const std::vector<at::Tensor>& inputs)> model;
  std::vector<at::Tensor> inputs;  // the recorded ones, on any device
  std::string device;              // of its weights, such as "cuda:0"; empty: it has none
};

// Takes the module with its inputs and, where there are any, its expected outputs. Calls it once, unless it is
// stateful. Throws: ConfigError, which names the configuration's file and the engine.
[[nodiscard]] std::shared_ptr<Workload> make_module_workload(const PipelineConfig& config, const EngineConfig& engine,
                                                             const Device& device, const ModuleSource& source);

}  // namespace greenlane::runtime
