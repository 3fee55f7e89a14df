// torch.classes.greenlane.Binding, with Call, a call under way, and Former, the state before several bindings were
// made.
#pragma once

#include "torch/engine_calls.hpp"

#include <greenlane/core/binding.hpp>
#include <greenlane/detail/torch/bound_call.hpp>

#include <torch/custom_class.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace greenlane::bindings {

// A binding: an engine's, which keeps the engine alive, or a module's own.
struct BindingObject final : torch::CustomClassHolder {
  explicit BindingObject(std::shared_ptr<StreamBinding> object, std::shared_ptr<detail::EngineCalls> of_engine = {})
      : binding(std::move(object)), calls(std::move(of_engine)) {}
  std::shared_ptr<StreamBinding> binding;
  // How its calls run; null for packages, whose engines know, and for engines that cannot choose.
  std::shared_ptr<detail::EngineCalls> calls;
  bool is_module = false;  // its graphs are all that was captured of it
};
using BindingPtr = c10::intrusive_ptr<BindingObject>;

// A call of a module that is under way.
struct CallObject final : torch::CustomClassHolder {
  CallObject(BindingPtr of, const std::vector<at::Tensor>& inputs)
      : binding(std::move(of)), call(std::in_place, *binding->binding, inputs) {}
  BindingPtr binding;
  std::optional<BoundCall> call;
  std::optional<detail::EngineCalls::Pass> pass;  // after the call, because it opens the gate first
};

// The former state of several bindings that were bound together.
struct FormerObject final : torch::CustomClassHolder {
  std::vector<BindingPtr> bindings;
  std::vector<FormerBinding> former;
};

void register_binding(torch::Library& library);

}  // namespace greenlane::bindings
