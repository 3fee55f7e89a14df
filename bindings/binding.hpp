// torch.classes.greenlane.Binding, with Call, a call under way, and Former, the state before several bindings were
// made.
#pragma once

#include <greenlane/core/binding.hpp>
#include <greenlane/detail/core/process.hpp>
#include <greenlane/detail/torch/bound_call.hpp>
#include <greenlane/detail/torch/resident_graph.hpp>

#include <torch/custom_class.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace greenlane::bindings {

// A binding: an engine's, which keeps the engine alive, or a module's own.
struct BindingObject final : torch::CustomClassHolder {
  explicit BindingObject(std::shared_ptr<StreamBinding> object) : binding(std::move(object)) {}
  std::shared_ptr<StreamBinding> binding;
  detail::ForkSafeMutex mutex{};
  std::shared_ptr<ResidentGraphs> graphs;  // a module's, while it has some; under the mutex
};
using BindingPtr = c10::intrusive_ptr<BindingObject>;

// A call of a module that is under way.
struct CallObject final : torch::CustomClassHolder {
  CallObject(BindingPtr of, const std::vector<at::Tensor>& inputs)
      : binding(std::move(of)), call(std::in_place, *binding->binding, inputs) {}
  BindingPtr binding;
  std::optional<BoundCall> call;
};

// The former state of several bindings that were bound together.
struct FormerObject final : torch::CustomClassHolder {
  std::vector<BindingPtr> bindings;
  std::vector<FormerBinding> former;
};

void register_binding(torch::Library& library);

}  // namespace greenlane::bindings
