#include "text/kernel_name.hpp"

#include <cxxabi.h>

#include <cstdlib>
#include <memory>

namespace greenlane::text {
namespace {

// Returns the position of the argument list: the bracket that the last closing bracket closes. npos where there is
// none.
std::size_t begin_of_arguments(const std::string& name) {
  if (!name.ends_with(')')) return std::string::npos;
  int depth = 0;
  for (std::size_t i = name.size(); i-- > 0;) {
    if (name[i] == ')') ++depth;
    if (name[i] == '(' && --depth == 0) return i;
  }
  return std::string::npos;
}

}  // namespace

std::string demangled(const std::string& name) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text(abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status),
                                                    std::free);
  return status == 0 && text ? std::string(text.get()) : name;
}

std::string shortened(const std::string& name, std::size_t most) {
  std::string text = name;
  if (const auto arguments = begin_of_arguments(text); arguments != std::string::npos && arguments > 0)
    text.resize(arguments);
  if (text.starts_with("void ")) text.erase(0, 5);
  if (text.size() <= most) return text;
  const std::size_t tail = most / 3;
  return text.substr(0, most - tail - 1) + "…" + text.substr(text.size() - tail);
}

}  // namespace greenlane::text
