// Checks names of files on the command line.
#pragma once

#include <CLI/CLI.hpp>

#include <string>

namespace greenlane::cli {

// A validator that refuses an empty name, which an empty shell variable leaves. Without it the option would count as
// not given.
class FileName : public CLI::Validator {
 public:
  FileName() : CLI::Validator("FILE") {
    func_ = [](std::string& text) {
      return text.empty() ? std::string("'': the name of the file is empty; name a file, or leave the option out")
                          : std::string();
    };
  }
};

}  // namespace greenlane::cli
