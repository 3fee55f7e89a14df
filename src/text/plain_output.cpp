#include "text/plain_output.hpp"

#include <unistd.h>

#include <cstdlib>
#include <string_view>

namespace greenlane::text {
namespace {

std::string_view variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

}  // namespace

bool is_plain_output(int descriptor) {
  return ::isatty(descriptor) != 1 || !variable("NO_COLOR").empty() || variable("TERM") == "dumb";
}

}  // namespace greenlane::text
