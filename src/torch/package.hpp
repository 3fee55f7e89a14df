// The facts about a `.pt2` package that can be read without loading its code.
#pragma once

#include "torch/package_effects.hpp"

#include <greenlane/torch/signature.hpp>

#include <array>
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

// Tells a file from another one that took its place.
struct FileIdentity {
  std::array<std::int64_t, 5> values{};  // device, inode, size, time of change in seconds and nanoseconds
  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};
// Returns the identity of a file; zeros if there is none.
[[nodiscard]] FileIdentity identity_of(const std::string& path);

// Returns the code of the model's kernels that are in records of their own, as the package's library loads them.
// Throws: EngineError if the file is no longer the one of this identity; PyTorch's exception if it cannot be read.
[[nodiscard]] std::vector<std::string> read_kernels(const std::string& path, const std::string& model,
                                                    const FileIdentity& identity);

// Reads the facts about a model in a package.
// Throws: EngineError if the file is missing, is no package, or holds no such model.
[[nodiscard]] PackageInfo read_package(const std::string& path, const std::string& model);

}  // namespace greenlane::detail
