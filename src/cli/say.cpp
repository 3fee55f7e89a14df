#include "cli/say.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace greenlane::cli {
namespace {

int first_error = 0;

}  // namespace

void write_text(std::FILE* stream, const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), stream) == text.size() || stream != stdout) return;
  if (first_error == 0) first_error = errno;
}

void open_standard_streams() {
  for (const int number : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    // `number` is the lowest free descriptor, so open() returns it.
    if (::fcntl(number, F_GETFD) < 0 && errno == EBADF) (void)::open("/dev/null", O_RDONLY);
  }
}

int finish_standard_output() {
  if (std::fflush(stdout) != 0 && first_error == 0) first_error = errno;
  if (first_error == 0 && std::ferror(stdout) != 0) first_error = EIO;
  return first_error;
}

}  // namespace greenlane::cli
