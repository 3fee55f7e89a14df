#include "module.hpp"

#include "runtime/module_workload.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/detail/runtime/config.hpp>

#include <algorithm>
#include <tuple>

namespace greenlane::bindings {

runtime::ModuleLoader loader_of(const std::vector<ModulePtr>& modules) {
  return [modules](const runtime::PipelineConfig& config, const runtime::EngineConfig& engine, const Device& device) {
    const auto found = std::ranges::find(modules, engine.name, [](const ModulePtr& each) { return each->engine; });
    if (found == modules.end()) {
      throw ConfigError({.what = config.file.string() + ": engine." + engine.name,
                         .why = "module '" + engine.module + "' was not given",
                         .remedy = "the file changed while it was read: open it again"});
    }
    const auto& module = **found;
    return runtime::make_module_workload(
        config, engine, device, {.model = model_of(module.exchange), .inputs = module.inputs, .device = module.device});
  };
}

namespace {

// Returns three lists: the name, the module's name and the file of the recorded inputs of each engine that is a module.
std::tuple<std::vector<std::string>, std::vector<std::string>, std::vector<std::string>> modules_of(
    const std::string& file) {
  std::tuple<std::vector<std::string>, std::vector<std::string>, std::vector<std::string>> all;
  auto& [names, modules, inputs] = all;
  for (const auto& engine : runtime::load_config(file, runtime::NamedFiles::may_be_missing).engines) {
    if (engine.module.empty()) continue;
    names.push_back(engine.name);
    modules.push_back(engine.module);
    inputs.push_back(engine.inputs.string());
  }
  return all;
}

}  // namespace

void register_module(torch::Library& library) {
  library.class_<ModuleObject>("Module").def(
      torch::init<std::string, ExchangePtr, std::vector<at::Tensor>, std::string>());
  library.def("modules_of(str config) -> (str[], str[], str[])", modules_of);
}

}  // namespace greenlane::bindings
