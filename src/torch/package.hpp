// The facts about a `.pt2` package that can be read without loading its code.
#pragma once

#include "torch/package_effects.hpp"

#include <greenlane/torch/signature.hpp>

#include <set>
#include <string>
#include <unordered_map>

namespace greenlane::detail {

struct PackageInfo {
  std::unordered_map<std::string, std::string> metadata;
  DeviceKind device = DeviceKind::cpu;
  // 10 × major + minor; 0 if the package does not say.
  int compute_capability = 0;
  Signature signature;
  PackageEffects effects;
};

// Reads the facts about a model in a package.
// Throws: EngineError if the file is missing, is no package, or holds no such model.
[[nodiscard]] PackageInfo read_package(const std::string& path, const std::string& model);

// Returns the names of the records in a package; none if it cannot be read.
[[nodiscard]] std::set<std::string> records_in(const std::string& path);

}  // namespace greenlane::detail
