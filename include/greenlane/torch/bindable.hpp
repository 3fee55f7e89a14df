// Engines of other makers: objects of custom classes (torchbind), in packages and modules, that greenlane can bind.
#pragma once

#include <greenlane/core/binding.hpp>

#include <ATen/core/ivalue.h>

#include <functional>
#include <memory>
#include <string>

namespace greenlane {

// Gives the binding of an object of one class, whose owner() is the object's name by its own metadata: the same one for
// the same object each time. Where it has none so far, one is made, or (without `make`) null is given. May throw Error.
using BindableFinder = std::function<std::shared_ptr<StreamBinding>(const c10::IValue& object, bool make)>;

// Tells how objects of a class are bound, e.g. "__torch__.torch.classes.tensorrt.Engine". The last one for a class
// counts. Thread safety: all of these.
void register_bindable_class(const std::string& qualified_name, BindableFinder finder);
[[nodiscard]] bool is_bindable(const c10::IValue& object);
// Null for what is no object of such a class.
[[nodiscard]] std::shared_ptr<StreamBinding> find_bindable(const c10::IValue& object, bool make = true);

}  // namespace greenlane
