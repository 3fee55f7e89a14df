// What a graph needs, and depends on, that is captured in this thread.
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

// While this lives, what is noted in this thread is collected. Nests: what is noted inside belongs to both.
class CaptureScope {
 public:
  using Generation = std::shared_ptr<std::atomic<std::uint64_t>>;
  // A binding that was entered; the pointer is good for as long as its engine lives.
  struct Entered {
    StreamBinding* binding;
    Generation generation;
    std::uint64_t value;
  };

  // Whether greenlane captures a graph meanwhile, which keeps its lanes itself.
  enum class Purpose { rehearsal, capture };

  explicit CaptureScope(Purpose purpose) noexcept : purpose_(purpose) { current_ = this; }
  ~CaptureScope();
  CaptureScope(const CaptureScope&) = delete;
  CaptureScope& operator=(const CaptureScope&) = delete;

  [[nodiscard]] const std::vector<Lane>& lanes() const noexcept { return lanes_; }
  [[nodiscard]] const std::vector<Entered>& bindings() const noexcept { return bindings_; }
  // Whether what is captured in this thread is greenlane's graph, and no caller's.
  [[nodiscard]] static bool captures() noexcept;
  // A lane that the graph's nodes are on.
  static void note(const Lane& lane);
  // An engine that was called, bound or not: bound otherwise, it would be captured otherwise.
  static void note(StreamBinding& binding, const Generation& generation);

 private:
  static thread_local CaptureScope* current_;
  CaptureScope* outer_ = current_;
  Purpose purpose_;
  std::vector<Lane> lanes_;
  std::vector<Entered> bindings_;
};

}  // namespace greenlane::detail
