// Foreign engines: objects of custom classes (torchbind), in packages and modules, that greenlane can bind.
#pragma once

#include <greenlane/core/binding.hpp>

#include <ATen/core/ivalue.h>

#include <functional>
#include <memory>
#include <string>

namespace greenlane {

/// Returns the binding of an object, the same one each time. Its owner() is the object's name in its own metadata. If
/// there is no binding yet, one is made, or null is returned if `make` is false. May throw Error.
using BindableFinder = std::function<std::shared_ptr<StreamBinding>(const c10::IValue& object, bool make)>;

/// Registers the finder for a class, such as "__torch__.torch.classes.tensorrt.Engine". The last registration for a
/// class counts.
/// Thread safety: all functions here may be called from any thread.
void register_bindable_class(const std::string& qualified_name, BindableFinder finder);
/// Returns true if find_bindable() knows the object's class.
[[nodiscard]] bool is_bindable(const c10::IValue& object);
/// Returns null if the object is not of a registered class.
[[nodiscard]] std::shared_ptr<StreamBinding> find_bindable(const c10::IValue& object, bool make = true);

}  // namespace greenlane
