#include "runtime/output_target.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/detail/runtime/output_file.hpp>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <random>
#include <string_view>
#include <system_error>
#include <utility>

namespace greenlane::runtime {
namespace {

namespace fs = std::filesystem;

constexpr int kMostNames = 100;
constexpr std::size_t kBuffer = std::size_t{1} << 16U;

using Give = std::function<void(const TextSink& sink)>;

[[noreturn]] void refuse(const fs::path& path, const std::string& why,
                         const std::string& remedy = "name a file in a folder that exists and is yours") {
  throw ConfigError({.what = "'" + path.string() + "' cannot be written", .why = why, .remedy = remedy});
}

[[noreturn]] void refuse(const fs::path& path, int error) {
  const auto why = std::generic_category().message(error);
  if (error == ENOSPC || error == EDQUOT || error == EFBIG) refuse(path, why, "free space, or name a file elsewhere");
  if (error == EINTR)
    refuse(path, "the program was told to stop while the pipe had no reader", "start the reader first");
  refuse(path, why);
}

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  [[nodiscard]] int number() const { return number_; }
  // Returns an error number, or 0. Some file systems report only here that the disk is full.
  [[nodiscard]] int close() { return ::close(std::exchange(number_, -1)) == 0 || errno == EINTR ? 0 : errno; }

 private:
  int number_;
};

OutputTarget target_of(const fs::path& path) {
  OutputTarget target;
  if (const int error = find_target(path, target)) refuse(path, error);
  if (target.kind == OutputTarget::Kind::in_place && target.found) {
    if (S_ISDIR(target.found->st_mode)) refuse(path, "it is a folder");
    if (S_ISSOCK(target.found->st_mode)) refuse(path, "it is a socket");
    if (S_ISBLK(target.found->st_mode)) refuse(path, "it is a disk");
  }
  return target;
}

// Returns an error number, or 0.
int write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const auto count = ::write(descriptor, text.data(), text.size());
    if (count >= 0) {
      text.remove_prefix(static_cast<std::size_t>(count));
    } else if (errno == EAGAIN) {
      pollfd waits{.fd = descriptor, .events = POLLOUT, .revents = 0};
      (void)::poll(&waits, 1, -1);
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

// An error that ends the function which gives the text.
class WriteError : public std::system_error {
 public:
  explicit WriteError(int number) : std::system_error(number, std::generic_category()) {}
};

// Returns an error number, or 0.
int write_given(int descriptor, const Give& give) {
  std::string buffer;
  buffer.reserve(kBuffer);
  const auto flush = [&] {
    if (const int error = write_all(descriptor, buffer); error != 0) throw WriteError(error);
    buffer.clear();
  };
  try {
    give([&](std::string_view piece) {
      if (buffer.size() + piece.size() > kBuffer) flush();
      if (piece.size() < kBuffer) {
        buffer += piece;
      } else if (const int error = write_all(descriptor, piece); error != 0) {
        throw WriteError(error);
      }
    });
    flush();
  } catch (const WriteError& error) {
    return error.code().value();
  }
  return 0;
}

// Makes a file in the target's folder, with a name that no other process has. The folder and the process decide the
// permissions of a new file.
fs::path make_beside(const fs::path& path, int& descriptor) {
  std::random_device random;
  for (int tries = 0; tries < kMostNames; ++tries) {
    const auto beside = folder_of(path) / (".greenlane-" + std::to_string(getpid()) + "-" + std::to_string(random()));
    descriptor = ::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor >= 0 || errno != EEXIST) return beside;
  }
  return {};
}

// Copies owner, group and permissions of the replaced file. Only root may give a file to another owner.
int copy_permissions(int descriptor, const struct stat& former) {
  (void)!::fchown(descriptor, static_cast<uid_t>(-1), former.st_gid);
  (void)!::fchown(descriptor, former.st_uid, static_cast<gid_t>(-1));
  return ::fchmod(descriptor, former.st_mode & 0777) == 0 ? 0 : errno;
}

// A new file beside the target. The destructor removes it unless it was renamed.
class Beside {
 public:
  explicit Beside(const fs::path& target) : target_(target), path_(make_beside(target, number_)) {}
  ~Beside() {
    if (number_ >= 0 && !is_renamed_) (void)::unlink(path_.c_str());
  }
  Beside(const Beside&) = delete;
  Beside& operator=(const Beside&) = delete;

  [[nodiscard]] int number() const { return number_; }
  // Returns an error number, or 0.
  [[nodiscard]] int rename() {
    is_renamed_ = ::rename(path_.c_str(), target_.c_str()) == 0;
    return is_renamed_ ? 0 : errno;
  }

 private:
  fs::path target_;
  int number_ = -1;
  fs::path path_;
  bool is_renamed_ = false;
};

int replace(const OutputTarget& target, const Give& give) {
  Beside beside(target.path);
  if (beside.number() < 0) return errno;
  Descriptor file(beside.number());
  int error = target.found ? copy_permissions(file.number(), *target.found) : 0;
  if (error == 0) error = write_given(file.number(), give);
  if (error == 0) error = file.close();
  return error != 0 ? error : beside.rename();
}

int write_in_place(const OutputTarget& target, const Give& give) {
  // Opening a pipe waits for its reader. A signal that the program handles, such as Ctrl-C, ends the wait.
  const int number = ::open(target.path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY);
  if (number < 0) return errno;
  Descriptor file(number);
  const int error = write_given(number, give);
  return error != 0 ? error : file.close();
}

void check_folder(const fs::path& path, const OutputTarget& target) {
  const auto folder = folder_of(target.path);
  if (::faccessat(AT_FDCWD, (folder / ".").c_str(), W_OK | X_OK, AT_EACCESS) != 0) refuse(path, errno);
  // A file made with O_TMPFILE never has a name. Not every file system has such files.
  const Descriptor file(::open(folder.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600));
  if (file.number() < 0) {
    if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL && errno != ENOENT) refuse(path, errno);
  } else if (const int error = write_all(file.number(), std::string(4096, '\n'))) {
    refuse(path, error);
  }
  struct stat there{};
  if (!target.found || ::stat(folder.c_str(), &there) != 0 || (there.st_mode & S_ISVTX) == 0) return;
  const auto user = ::geteuid();
  if (user != 0 && user != there.st_uid && user != target.found->st_uid)
    refuse(path, "it is another user's, and the sticky bit of the folder allows only the owner to replace it");
}

void check_descriptor(const fs::path& path, int descriptor) {
  const int flags = ::fcntl(descriptor, F_GETFL);
  if (flags >= 0 && (flags & O_ACCMODE) != O_RDONLY) return;
  refuse(path, descriptor == STDOUT_FILENO ? "standard output is closed" : "it is not open for writing",
         "open it for writing, or name a file");
}

}  // namespace

void check_writable(const fs::path& path) {
  const auto target = target_of(path);
  switch (target.kind) {
    case OutputTarget::Kind::replaced:
      check_folder(path, target);
      break;
    case OutputTarget::Kind::descriptor:
      check_descriptor(path, target.descriptor);
      break;
    case OutputTarget::Kind::in_place:
      if (::faccessat(AT_FDCWD, target.path.c_str(), W_OK, AT_EACCESS) != 0) refuse(path, errno);
  }
}

void write_file(const fs::path& path, const std::string& text) {
  write_file(path, [&](const TextSink& sink) { sink(text); });
}

void write_file(const fs::path& path, const std::function<void(const TextSink& sink)>& give) {
  const auto target = target_of(path);
  int error = 0;
  switch (target.kind) {
    case OutputTarget::Kind::replaced:
      error = replace(target, give);
      break;
    case OutputTarget::Kind::descriptor:
      check_descriptor(path, target.descriptor);
      (void)std::fflush(nullptr);  // earlier output comes first
      error = write_given(target.descriptor, give);
      break;
    case OutputTarget::Kind::in_place:
      error = write_in_place(target, give);
  }
  if (error != 0) refuse(path, error);
}

}  // namespace greenlane::runtime
