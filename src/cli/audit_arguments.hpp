// The arguments of `greenlane audit`.
#pragma once

#include <filesystem>

namespace greenlane::cli {

struct AuditArguments {
  std::filesystem::path config;
  std::filesystem::path plan;
  bool any_device = false;  // the plan may be of another device
  double seconds = 2;
  std::filesystem::path json;
  std::filesystem::path trace;
};

}  // namespace greenlane::cli
