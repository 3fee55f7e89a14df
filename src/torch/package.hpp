// The facts about a `.pt2` package that can be read without loading its code.
#pragma once

#include "torch/package_effects.hpp"

#include <greenlane/torch/signature.hpp>

#include <cstdint>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace greenlane::detail {

struct PackageInfo {
  // The names of the records in the package's archive.
  std::set<std::string> records;
  std::unordered_map<std::string, std::string> metadata;
  DeviceKind device = DeviceKind::cpu;
  // 10 × major + minor; 0 if the package does not say.
  int compute_capability = 0;
  Signature signature;
  PackageEffects effects;
  // Where the model's library asks for an executable stack (torch/executable_stack.hpp).
  std::vector<std::uint64_t> executable_stacks;
};

// Returns the code of the model's kernels that are in records of their own, as the package's library loads them.
// Throws: PyTorch's exception if the file is no package any more.
[[nodiscard]] std::vector<std::string> read_kernels(const std::string& path, const std::string& model);

// Reads the facts about a model in a package.
// Throws: EngineError if the file is missing, is no package, or holds no such model.
[[nodiscard]] PackageInfo read_package(const std::string& path, const std::string& model);

}  // namespace greenlane::detail
