// The arguments of `greenlane plan`.
#pragma once

#include <filesystem>

namespace greenlane::cli {

struct PlanArguments {
  std::filesystem::path config;
  std::filesystem::path profile;
  std::filesystem::path out = "plan.json";  // empty: no file
  double margin = 0.1;
  double seconds = 2;
  double budget = 60;
  bool only_predict = false;
  bool json = false;  // print JSON in place of the tables
};

}  // namespace greenlane::cli
