#include "cli/commands/progress.hpp"

#include "cli/say.hpp"
#include "text/plain_output.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include <cstdio>

namespace greenlane::cli {

Progress::Progress(std::string what) : what_(std::move(what)), visible_(!text::is_plain_output(STDERR_FILENO)) {
  if (visible_) warn("{} …", what_);
}

Progress::~Progress() {
  if (visible_) std::fputs("\r\033[K", stderr);
}

void Progress::update(double share) const {
  if (!visible_) return;
  constexpr int kWidth = 30;
  const int done = static_cast<int>(share * kWidth);
  std::string bar;
  for (int i = 0; i < kWidth; ++i) bar += i < done ? "█" : "░";
  warn("\r\033[K{} {} {:3.0f} %", what_, bar, share * 100);
}

}  // namespace greenlane::cli
