#include "fuzz/target.hpp"

#include "text/terminal_text.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>

namespace greenlane::fuzz {
namespace {

constexpr std::array kTargets{
    Target{"toml", read_toml},
    Target{"plan", read_plan},
    Target{"profile", read_profile},
    Target{"signature", read_signature},
    Target{"size", read_size_expression},
    Target{"effects", read_effects},
    Target{"pickle", read_pickle},
    Target{"tensors", read_tensors},
    Target{"archive", read_archive},
};

}  // namespace

std::span<const Target> targets() { return kTargets; }

void require_message(std::string_view message) {
  require(!message.empty(), "a message is not empty");
  require(text::terminal_text(message) == message, "a message is one line without control characters");
}

std::string path_with(std::string_view bytes) {
  static const int file = memfd_create("fuzz", MFD_CLOEXEC);
  if (file < 0 || ftruncate(file, 0) != 0 ||
      pwrite(file, bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    std::perror("fuzz: a file in memory");
    std::abort();
  }
  return "/proc/self/fd/" + std::to_string(file);
}

}  // namespace greenlane::fuzz
