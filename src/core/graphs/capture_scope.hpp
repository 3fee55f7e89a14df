// The needs and dependencies of a graph that is captured in this thread.
#pragma once

#include <greenlane/core/lane.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

namespace greenlane {
class StreamBinding;
}

namespace greenlane::detail {

// A scope that collects the lanes and bindings noted in this thread. Scopes nest: an inner scope's notes belong to
// both.
class CaptureScope {
 public:
  using Generation = std::shared_ptr<std::atomic<std::uint64_t>>;
  // A binding that was entered. The pointer is valid for as long as its engine lives.
  struct Entered {
    StreamBinding* binding;
    Generation generation;
    std::uint64_t value;
    bool is_context;  // of the engine's setting, not of its binding
  };

  // capture: greenlane captures a graph in this scope, which keeps its lanes itself.
  enum class Purpose { rehearsal, capture };

  explicit CaptureScope(Purpose purpose) noexcept : purpose_(purpose) { current_ = this; }
  ~CaptureScope();
  CaptureScope(const CaptureScope&) = delete;
  CaptureScope& operator=(const CaptureScope&) = delete;

  [[nodiscard]] const std::vector<Lane>& lanes() const noexcept { return lanes_; }
  [[nodiscard]] const std::vector<Entered>& bindings() const noexcept { return bindings_; }
  // Returns true if there is a scope in this thread.
  [[nodiscard]] static bool is_active() noexcept { return current_ != nullptr; }
  // Returns true if the capture in this thread is greenlane's and not a caller's.
  [[nodiscard]] static bool captures() noexcept;
  // Notes a lane that the graph's nodes are on.
  static void note(const Lane& lane);
  // Notes an engine that was called, bound or not. Its capture would be different with another binding, or wherever
  // else `generation` grows.
  static void note(StreamBinding& binding, const Generation& generation, bool is_context = false);

 private:
  static thread_local CaptureScope* current_;
  CaptureScope* outer_ = current_;
  Purpose purpose_;
  std::vector<Lane> lanes_;
  std::vector<Entered> bindings_;
};

}  // namespace greenlane::detail
