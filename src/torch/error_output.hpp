// What PyTorch and compiled packages write to std::cerr when a call fails. AOTInductor gives the reason of a failure
// there, amid a C++ stack, and throws no more than "API call failed".
#pragma once

#include <exception>
#include <string>
#include <string_view>

namespace greenlane::detail {

// Collects what this thread writes to std::cerr while it lives. Passes it on when it goes, unless take() was called.
// Thread safety: other threads' output goes where it did. Lifetime: destroy it on the thread that made it.
class ErrorOutput {
 public:
  ErrorOutput();
  ~ErrorOutput();
  ErrorOutput(const ErrorOutput&) = delete;
  ErrorOutput& operator=(const ErrorOutput&) = delete;

  // What was written so far; it is not passed on.
  [[nodiscard]] std::string take();

 private:
  std::string text_;
  std::string* outer_;
};

// The line that says why a call of a package failed: from what it wrote, else from PyTorch's own record of the last
// failure (from 2.13 on), else from what it threw.
[[nodiscard]] std::string reason_of(std::string_view output, const std::exception& thrown);

}  // namespace greenlane::detail
