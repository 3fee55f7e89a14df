// The arguments of `greenlane profile`.
#pragma once

#include <filesystem>

namespace greenlane::cli {

struct ProfileArguments {
  std::filesystem::path config;
  std::filesystem::path out = "profile.json";  // empty: no file
  double seconds = 1;
  bool json = false;  // print JSON in place of the table
};

}  // namespace greenlane::cli
