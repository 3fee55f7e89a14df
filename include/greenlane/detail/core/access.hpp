// The way from a public object to its inside, for greenlane's own libraries.
#pragma once

#include <memory>
#include <utility>

namespace greenlane::detail {

// The only friend of greenlane's public classes.
struct Access {
  template <typename T>
  using Impl = T::Impl;
  // Returns the state behind a handle.
  template <typename Handle>
  [[nodiscard]] static auto& state(const Handle& handle) noexcept {
    return handle.state_;
  }
  // Returns the engine behind a handle of a pipeline's engine.
  template <typename Handle>
  [[nodiscard]] static auto& engine(const Handle& handle) noexcept {
    return handle.engine_;
  }
  // Calls a private constructor.
  template <typename T, typename... Parts>
  [[nodiscard]] static T make(Parts&&... parts) {
    return T(std::forward<Parts>(parts)...);
  }
  template <typename T, typename... Parts>
  [[nodiscard]] static std::shared_ptr<T> make_shared(Parts&&... parts) {
    return std::shared_ptr<T>(new T(std::forward<Parts>(parts)...));
  }
  // Replaces a binding's lane without the checks of set().
  template <typename Binding, typename OptionalLane>
  static void replace(Binding& binding, OptionalLane lane) {
    binding.replace(std::move(lane));
  }
};

}  // namespace greenlane::detail
