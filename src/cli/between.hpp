// Checks numbers on the command line.
#pragma once

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <cmath>
#include <string>

namespace greenlane::cli {

// A validator for numbers from `least` to `most`, both inclusive. CLI11's own range lets "nan" pass.
class Between : public CLI::Validator {
 public:
  Between(double least, double most) : CLI::Validator(fmt::format("{} to {}", least, most)) {
    func_ = [least, most](std::string& text) {
      double value = std::nan("");
      const bool is_number = CLI::detail::lexical_cast(text, value);
      if (is_number && value >= least && value <= most) return std::string();
      return fmt::format("'{}': that is no number from {} to {}; give such a number", text, least, most);
    };
  }
};

}  // namespace greenlane::cli
