#include "core/named_file.hpp"

#include <greenlane/core/error.hpp>

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <system_error>
#include <utility>

namespace greenlane::detail {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostBytes = std::size_t{256} << 20;

std::string text_of(int error) { return std::generic_category().message(error); }

// Returns the reason why the file, pipe or device cannot be opened; empty if it can.
std::string why_not_opened(const fs::path& path, fs::file_status& status) {
  if (path.empty()) return "its name is empty";
  if (path.native().find('\0') != std::string::npos) return "its name has a zero byte";
  std::error_code error;
  status = fs::status(path, error);
  if (status.type() == fs::file_type::not_found) return "there is no such file";
  if (status.type() == fs::file_type::none) return "it cannot be reached (" + error.message() + ")";
  if (status.type() == fs::file_type::directory) return "it is a folder";
  if (access(path.c_str(), R_OK) != 0) return "it cannot be read (" + text_of(errno) + ")";
  return {};
}

// Returns the folder and the variable that names it; empty name: no variable is set.
std::pair<fs::path, std::string> temporary_folder_and_name() {
  for (const auto* each : {"TMPDIR", "TMP", "TEMP", "TEMPDIR"}) {
    const char* value = std::getenv(each);
    if (value != nullptr && *value != 0) return {value, each};
  }
  return {"/tmp", ""};
}

}  // namespace

std::string why_unreadable(const fs::path& path) {
  fs::file_status status;
  auto why = why_not_opened(path, status);
  if (why.empty() && status.type() != fs::file_type::regular) why = "it is a pipe or a device, and no plain file";
  return why;
}

fs::path temporary_folder() { return temporary_folder_and_name().first; }

std::string why_no_temporary_files(std::uintmax_t bytes) {
  const auto [folder, name] = temporary_folder_and_name();
  std::error_code error;
  std::string why;
  if (!fs::is_directory(folder, error)) {
    why = error ? error.message() : "it is no folder";
  } else if (access(folder.c_str(), W_OK | X_OK) != 0) {
    why = text_of(errno);
  } else {
    const auto space = fs::space(folder, error);
    if (error || space.available >= bytes) return {};
    constexpr std::uintmax_t kMebibyte = 1U << 20U;
    why = std::to_string(space.available / kMebibyte) + " MiB are free, and " + std::to_string(bytes / kMebibyte + 1) +
          " MiB are needed";
  }
  return "the folder for temporary files, " + (name.empty() ? "" : name + "=") + folder.string() +
         ", cannot be used (" + why + ")";
}

std::string read_named_file(const fs::path& path, const std::string& what, const std::string& remedy) {
  const auto fail = [&](const std::string& why) { throw ConfigError({.what = what, .why = why, .remedy = remedy}); };
  fs::file_status status;
  const auto why = why_not_opened(path, status);
  if (!why.empty()) fail(why);
  errno = 0;
  std::ifstream stream(path, std::ios::binary);
  if (!stream) fail("it cannot be read (" + text_of(errno) + ")");
  std::string text;
  std::array<char, 65536> part{};
  while (stream.read(part.data(), part.size()) || stream.gcount() > 0) {
    text.append(part.data(), static_cast<std::size_t>(stream.gcount()));
    if (text.size() > kMostBytes) fail("it is longer than 256 MiB");
  }
  if (stream.bad()) fail("reading it failed");
  return text;
}

}  // namespace greenlane::detail
