#include "torch/executable_stack.hpp"

#include "core/named_file.hpp"

#include <greenlane/core/error.hpp>

#include <elf.h>
#include <gnu/libc-version.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string_view>
#include <system_error>
#include <utility>

namespace greenlane::detail {
namespace {

// Reads a structure at an offset. False if the file ends before.
template <typename T>
bool read_at(std::istream& file, std::uint64_t offset, T& value) {
  file.clear();
  file.seekg(static_cast<std::streamoff>(offset));
  return static_cast<bool>(file.read(reinterpret_cast<char*>(&value), sizeof(value)));
}

// Removes the requests from a file.
bool clear_flags(const std::filesystem::path& path, const std::vector<std::uint64_t>& flags) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  for (const std::uint64_t offset : flags) {
    Elf64_Word value = 0;
    if (!read_at(file, offset, value)) return false;
    value &= ~static_cast<Elf64_Word>(PF_X);
    file.seekp(static_cast<std::streamoff>(offset));
    file.write(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  file.close();
  return !file.fail();
}

// Makes an empty file that nobody else can have prepared.
std::filesystem::path new_temporary_file() {
  constexpr std::string_view kEnding = ".pt2";
  auto name = (temporary_folder() / ("greenlane_XXXXXX" + std::string(kEnding))).string();
  const int descriptor = ::mkstemps(name.data(), kEnding.size());
  if (descriptor < 0) return {};
  ::close(descriptor);
  return name;
}

}  // namespace

bool refuses_executable_stacks() {
  char* end = nullptr;
  const long major = std::strtol(gnu_get_libc_version(), &end, 10);
  const long minor = *end == '.' ? std::strtol(end + 1, nullptr, 10) : 0;
  return major > 2 || (major == 2 && minor >= 41);
}

std::vector<std::uint64_t> executable_stack_flags(const std::string& file, std::uint64_t library) {
  std::ifstream in(file, std::ios::binary);
  Elf64_Ehdr header{};
  if (!read_at(in, library, header) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
      header.e_ident[EI_CLASS] != ELFCLASS64)
    return {};
  std::vector<std::uint64_t> flags;
  for (std::uint64_t i = 0; i < header.e_phnum; ++i) {
    const std::uint64_t at = library + header.e_phoff + i * header.e_phentsize;
    Elf64_Phdr segment{};
    if (!read_at(in, at, segment)) return {};
    if (segment.p_type == PT_GNU_STACK && (segment.p_flags & PF_X) != 0)
      flags.push_back(at + offsetof(Elf64_Phdr, p_flags));
  }
  return flags;
}

LoadablePackage::LoadablePackage(std::string package, const std::vector<std::uint64_t>& flags)
    : path_(std::move(package)) {
  if (flags.empty()) return;
  copy_ = new_temporary_file();
  std::error_code error;
  const bool is_copied =
      !copy_.empty() &&
      std::filesystem::copy_file(path_, copy_, std::filesystem::copy_options::overwrite_existing, error) &&
      clear_flags(copy_, flags);
  if (!is_copied) {
    if (!copy_.empty()) std::filesystem::remove(copy_, error);
    throw EngineError(
        {.what = "the package '" + path_ + "' could not be loaded",
         .why = "its library asks for an executable stack, which this machine's C library refuses, and no "
                "copy without that request could be written to " +
                temporary_folder().string(),
         .remedy = "set TMPDIR to a folder of yours with room for the package, or start the program with "
                   "GLIBC_TUNABLES=glibc.rtld.execstack=2"});
  }
  path_ = copy_.string();
}

LoadablePackage::~LoadablePackage() {
  std::error_code ignored;
  if (!copy_.empty()) std::filesystem::remove(copy_, ignored);
}

}  // namespace greenlane::detail
