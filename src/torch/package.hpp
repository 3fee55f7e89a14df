// What can be read of a `.pt2` package without loading its code.
#pragma once

#include "torch/package_effects.hpp"

#include <greenlane/torch/signature.hpp>

#include <string>
#include <unordered_map>

namespace greenlane::detail {

struct PackageInfo {
  std::unordered_map<std::string, std::string> metadata;
  DeviceKind device = DeviceKind::cpu;
  // As 10 × major + minor; 0 where the package does not say.
  int compute_capability = 0;
  Signature signature;
  PackageEffects effects;
};

// Throws EngineError where the file is missing, is no package, or holds no such model.
[[nodiscard]] PackageInfo read_package(const std::string& path, const std::string& model);

}  // namespace greenlane::detail
