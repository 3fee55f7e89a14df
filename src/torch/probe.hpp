// What differs between versions of PyTorch, asked of its own declarations. The only place of its kind.
#pragma once

#include <ATen/core/ivalue.h>

#include <optional>
#include <string>
#include <unordered_map>

namespace greenlane::detail {

// The objects of custom classes inside a package, which share ownership with those that its model uses; nothing where
// this PyTorch does not give them out (before 2.13).
template <typename Loader>
std::optional<std::unordered_map<std::string, c10::IValue>> custom_objects(const Loader& loader) {
  if constexpr (requires { loader.get_custom_objs(); }) {
    return loader.get_custom_objs();
  } else {
    return std::nullopt;
  }
}

}  // namespace greenlane::detail
