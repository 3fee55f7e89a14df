// Checks choices on the command line.
#pragma once

#include "cli/name_list.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace greenlane::cli {

// A validator for the names of a `kind`, such as "mode".
class OneOf : public CLI::Validator {
 public:
  OneOf(const std::string& kind, std::vector<std::string> names)
      : CLI::Validator(fmt::format("{}", fmt::join(names, "|"))) {
    func_ = [kind, names = std::move(names)](std::string& text) {
      if (std::ranges::find(names, text) != names.end()) return std::string();
      return fmt::format("{}: there is no such {}; {}use {}", text, kind, guess(text, names), name_list(names));
    };
  }
};

}  // namespace greenlane::cli
