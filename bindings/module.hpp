// torch.classes.greenlane.Module: a module of Python that an engine of a pipeline runs.
#pragma once

#include "exchange.hpp"

#include <greenlane/detail/runtime/loaded_pipeline.hpp>

#include <ATen/core/Tensor.h>
#include <torch/library.h>

#include <string>
#include <utility>
#include <vector>

namespace greenlane::bindings {

struct ModuleObject final : torch::CustomClassHolder {
  ModuleObject(std::string of_engine, ExchangePtr of_python, std::vector<at::Tensor> recorded, std::string on_device)
      : engine(std::move(of_engine)),
        exchange(std::move(of_python)),
        inputs(std::move(recorded)),
        device(std::move(on_device)) {}
  std::string engine;              // the engine's name
  ExchangePtr exchange;            // calls the module with flat tensors
  std::vector<at::Tensor> inputs;  // the recorded ones
  std::string device;              // of its weights; empty: it has none
};
using ModulePtr = c10::intrusive_ptr<ModuleObject>;

// Returns a loader of these modules.
[[nodiscard]] runtime::ModuleLoader loader_of(const std::vector<ModulePtr>& modules);

void register_module(torch::Library& library);

}  // namespace greenlane::bindings
