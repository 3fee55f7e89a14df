#include "text/terminal_text.hpp"

#include <greenlane/core/error.hpp>

namespace greenlane {
namespace {

std::string join(const Message& message) {
  std::string text = message.what;
  if (!message.why.empty()) text += ": " + message.why;
  if (!message.remedy.empty()) text += "; " + message.remedy;
  return text;
}

}  // namespace

Error::Error(const Message& message) : std::runtime_error(text::terminal_text(join(message))) {}

}  // namespace greenlane
