// The fuzzed readers of files. Each one gets bytes that nobody wrote.
#pragma once

#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

namespace greenlane::fuzz {

struct Target {
  std::string_view name;
  // Throws Broken, or anything else, if the reader is wrong. Memory errors end the process.
  void (*run)(std::string_view input);
};

[[nodiscard]] std::span<const Target> targets();

// A property of the reader that does not hold.
class Broken : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

inline void require(bool holds, const std::string& property) {
  if (!holds) throw Broken(property);
}

// Checks a message for people: not empty, one line, and nothing that a terminal would obey.
void require_message(std::string_view message);

// Returns the path of a file in memory with these bytes, until the next call. For readers that take a path.
[[nodiscard]] std::string path_with(std::string_view bytes);

// The readers of target.cpp's table.
void read_toml(std::string_view input);
void read_plan(std::string_view input);
void read_profile(std::string_view input);
void read_signature(std::string_view input);
void read_size_expression(std::string_view input);
void read_effects(std::string_view input);
void read_pickle(std::string_view input);
void read_tensors(std::string_view input);
void read_archive(std::string_view input);

}  // namespace greenlane::fuzz
