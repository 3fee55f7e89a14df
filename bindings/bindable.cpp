#include "bindable.hpp"

#include "binding.hpp"
#include "torch/tensorrt/engine_table.hpp"

#include <greenlane/torch/bindable.hpp>
#include <greenlane/torch/tensorrt.hpp>

#include <torch/custom_class.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace greenlane::bindings {
namespace {

std::optional<BindingPtr> as_binding_object(std::shared_ptr<StreamBinding> binding,
                                            std::shared_ptr<detail::EngineCalls> calls = {}) {
  if (!binding) return std::nullopt;
  return c10::make_intrusive<BindingObject>(std::move(binding), std::move(calls));
}

// Operators on objects of any class are boxed, because no typed kernel takes `Any`.

// binding_of(Any object, bool make) -> Binding?: returns the object's one binding; None if it cannot have one, or if
// it was never given one and `make` is false.
void binding_of_any(const c10::OperatorHandle& /*op*/, torch::jit::Stack* stack) {
  const bool make = torch::jit::pop(*stack).toBool();
  const auto object = torch::jit::pop(*stack);
  auto binding = find_bindable(object, make);
  auto calls = binding ? tensorrt::calls_of(object) : nullptr;
  stack->emplace_back(as_binding_object(std::move(binding), std::move(calls)));
}

// forget_graphs(Any object) -> (): does nothing for an object of another class than torch.classes.tensorrt.Engine.
void forget_graphs(const c10::OperatorHandle& /*op*/, torch::jit::Stack* stack) {
  const auto object = torch::jit::pop(*stack);
  const auto type = object.isObject() ? object.type()->cast<c10::ClassType>() : nullptr;
  if (type && type->name() && type->name()->qualifiedName() == tensorrt::kEngineClass) tensorrt::forget_graphs(object);
}

// is_bindable(Any object) -> bool
void object_is_bindable(const c10::OperatorHandle& /*op*/, torch::jit::Stack* stack) {
  stack->back() = is_bindable(stack->back());
}

// bindable_attributes(Any module) -> str[]: returns the names of a script module's attributes that can be bound.
void bindable_attributes(const c10::OperatorHandle& /*op*/, torch::jit::Stack* stack) {
  const auto object = torch::jit::pop(*stack).toObject();
  c10::List<std::string> names;
  const auto type = object->type();
  for (std::size_t i = 0; i < type->numAttributes(); ++i) {
    if (is_bindable(object->getSlot(i))) names.push_back(type->getAttributeName(i));
  }
  stack->emplace_back(std::move(names));
}

std::optional<BindingPtr> python_engine_binding(int64_t id, bool make, const std::string& device,
                                                const std::string& name, bool multi_device, bool auxiliary_streams) {
  return as_binding_object(tensorrt::python_engine_binding(id,
                                                           {.name = name,
                                                            .device = DeviceId::parse(device),
                                                            .needs_multi_device = multi_device,
                                                            .may_have_auxiliary_streams = auxiliary_streams},
                                                           make));
}

}  // namespace

void register_bindable(torch::Library& library) {
  library.def("binding_of(Any object, bool make) -> __torch__.torch.classes.greenlane.Binding?",
              torch::CppFunction::makeFromBoxedFunction<&binding_of_any>());
  library.def("forget_graphs(Any object) -> ()", torch::CppFunction::makeFromBoxedFunction<&forget_graphs>());
  library.def("is_bindable(Any object) -> bool", torch::CppFunction::makeFromBoxedFunction<&object_is_bindable>());
  library.def("bindable_attributes(Any module) -> str[]",
              torch::CppFunction::makeFromBoxedFunction<&bindable_attributes>());
  library.def(
      "python_engine_binding(int id, bool make, *, str device, str name, bool multi_device, bool auxiliary_streams) -> "
      "__torch__.torch.classes.greenlane.Binding?",
      python_engine_binding);
  library.def("forget_python_engine(int id) -> ()", [](int64_t id) { tensorrt::forget_python_engine(id); });
}

}  // namespace greenlane::bindings
