// torch.classes.greenlane.Engine, and InnerEngine, an engine inside its package.
#pragma once

#include "binding.hpp"
#include "engine_options.hpp"

#include <greenlane/torch/aoti.hpp>

#include <torch/custom_class.h>

#include <memory>
#include <mutex>
#include <string>
#include <utility>

namespace greenlane::bindings {

struct EngineObject final : torch::CustomClassHolder {
  EngineObject(std::string file, EngineOptionsObject loaded_with, std::shared_ptr<AotiEngine> object)
      : path(std::move(file)), engine(std::move(object)), options_(std::move(loaded_with)) {}

  const std::string path;
  const std::shared_ptr<AotiEngine> engine;

  // Returns the options as they are now. The lane is none of them: a copy has no binding.
  [[nodiscard]] EngineOptionsObject options() const;
  void set_urgent(std::optional<double> deadline_ms);
  void set_gates(const std::string& gates);

 private:
  mutable detail::ForkSafeMutex mutex_{};
  EngineOptionsObject options_;  // under the mutex
};
using EnginePtr = c10::intrusive_ptr<EngineObject>;

struct InnerEngineObject final : torch::CustomClassHolder {
  InnerEngineObject(std::string in_package, BindingPtr of_engine)
      : key(std::move(in_package)), binding(std::move(of_engine)) {}
  std::string key;
  BindingPtr binding;
};

void register_engine(torch::Library& library);

}  // namespace greenlane::bindings
