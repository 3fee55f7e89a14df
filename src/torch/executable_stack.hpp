// Packages whose library asks for an executable stack. AOTInductor's do so by mistake: the assembly file with their
// constants does not say that it needs none. From version 2.41 on, glibc refuses to load such a library.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace greenlane::detail {

// Returns whether this machine's glibc refuses them.
[[nodiscard]] bool refuses_executable_stacks();

// Returns where the library that begins at `library` in a file asks for an executable stack: the offset in the file of
// the flags of its GNU_STACK header. Empty if it does not ask, or is no library for a 64-bit machine.
[[nodiscard]] std::vector<std::uint64_t> executable_stack_flags(const std::string& file, std::uint64_t library);

// A copy of a package without these requests, while it lives; the package itself if it has none. PyTorch does not check
// the checksums of a package's records.
class LoadablePackage {
 public:
  // Throws: EngineError if the copy cannot be written.
  LoadablePackage(std::string package, const std::vector<std::uint64_t>& flags);
  ~LoadablePackage();
  LoadablePackage(const LoadablePackage&) = delete;
  LoadablePackage& operator=(const LoadablePackage&) = delete;
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  std::string path_;
  std::filesystem::path copy_;  // empty: none was needed
};

}  // namespace greenlane::detail
