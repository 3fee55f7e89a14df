// The lanes that a graph needs for as long as it lives.
#pragma once

#include <greenlane/core/lane.hpp>

#include <vector>

namespace greenlane::detail {

// While this lives, lanes that are noted in this thread are collected. Nests: what is noted inside belongs to both.
class CaptureScope {
 public:
  CaptureScope() noexcept { current_ = this; }
  ~CaptureScope();
  CaptureScope(const CaptureScope&) = delete;
  CaptureScope& operator=(const CaptureScope&) = delete;

  [[nodiscard]] const std::vector<Lane>& lanes() const noexcept { return lanes_; }
  // Does nothing where nobody collects.
  static void note(const Lane& lane);

 private:
  static thread_local CaptureScope* current_;
  CaptureScope* outer_ = current_;
  std::vector<Lane> lanes_;
};

}  // namespace greenlane::detail
