// The text that PyTorch and compiled packages write to std::cerr when a call fails. AOTInductor writes the reason of a
// failure there, amid a C++ stack, and throws only "API call failed".
#pragma once

#include <exception>
#include <string>
#include <string_view>

namespace greenlane::detail {

// A scope that collects this thread's output to std::cerr. Its destructor passes the output on, unless take() was
// called.
// Thread safety: other threads' output is not affected.
// Lifetime: destroy it on the thread that made it.
class ErrorOutput {
 public:
  ErrorOutput();
  ~ErrorOutput();
  ErrorOutput(const ErrorOutput&) = delete;
  ErrorOutput& operator=(const ErrorOutput&) = delete;

  // Returns the output so far, which is then not passed on.
  [[nodiscard]] std::string take();

 private:
  std::string text_;
  std::string* outer_;
};

// Returns the line that says why a call of a package failed: from the package's output, else from PyTorch's own record
// of the last failure (2.13 and newer), else from the exception.
[[nodiscard]] std::string reason_of(std::string_view output, const std::exception& thrown);

}  // namespace greenlane::detail
