#include <greenlane/detail/core/process.hpp>
#include <greenlane/torch/bindable.hpp>

#include <ATen/core/class_type.h>

#include <map>
#include <mutex>
#include <utility>

namespace greenlane {
namespace {

struct Classes {
  detail::ForkSafeMutex mutex;
  std::map<std::string, BindableFinder, std::less<>> finders;
};

// Returns the registered classes. They are never destroyed, because objects in static storage may outlive them.
Classes& classes() {
  static auto* all = new Classes;
  return *all;
}

// Returns the finder for an object's class; empty if such objects cannot be bound.
BindableFinder finder_for(const c10::IValue& object) {
  if (!object.isObject()) return {};
  const auto name = object.toObjectRef().type()->name();
  if (!name) return {};
  auto& all = classes();
  const std::scoped_lock lock(all.mutex);
  const auto found = all.finders.find(name->qualifiedName());
  return found == all.finders.end() ? BindableFinder() : found->second;
}

}  // namespace

void register_bindable_class(const std::string& qualified_name, BindableFinder finder) {
  auto& all = classes();
  const std::scoped_lock lock(all.mutex);
  all.finders.insert_or_assign(qualified_name, std::move(finder));
}

bool is_bindable(const c10::IValue& object) { return finder_for(object) != nullptr; }

std::shared_ptr<StreamBinding> find_bindable(const c10::IValue& object, bool make) {
  const auto finder = finder_for(object);
  return finder ? finder(object, make) : nullptr;
}

}  // namespace greenlane
