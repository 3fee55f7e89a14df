// The arguments of `greenlane run`.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace greenlane::cli {

inline constexpr double kSpinMs = 0.1;

struct RunArguments {
  std::filesystem::path config;
  std::string mode;  // empty: the plan's, or lanes
  std::filesystem::path plan;
  bool any_device = false;  // the plan may be of another device
  std::string graphs;
  double seconds = 10;
  double spin_ms = kSpinMs;
  bool check = false;
  std::filesystem::path json;
  std::filesystem::path trace;
  std::optional<std::string> metrics;  // absent: as the configuration says; empty: none
};

}  // namespace greenlane::cli
