#include "text/terminal_text.hpp"

#include <greenlane/core/log.hpp>
#include <greenlane/detail/core/process.hpp>

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_color_sinks.h>

#include <cstdlib>
#include <memory>
#include <mutex>
#include <string_view>
#include <utility>

namespace greenlane {
namespace {

// Never destroyed: warnings may come from destructors of statics. The mutex also guards the logger, because spdlog's
// own mutex is one for the process and stays locked in a child that is forked while another thread writes.
struct Sink {
  detail::ForkSafeMutex mutex;
  std::function<void(const std::string&)> write;
};

Sink& sink() {
  static auto* one = new Sink;
  return *one;
}

// Not spdlog's default logger, which writes to stdout, where results go.
spdlog::logger& standard_error() {
  static auto* one = new spdlog::logger("greenlane", std::make_shared<spdlog::sinks::stderr_color_sink_st>());
  return *one;
}

}  // namespace

void warn(const std::string& text) {
  auto& current = sink();
  const std::scoped_lock lock(current.mutex);
  if (current.write) {
    current.write(text);
  } else {
    standard_error().warn("{}", text::terminal_text(text));
  }
}

void debug(const std::string& text) {
  static const bool is_wanted = [] {
    const char* level = std::getenv("GREENLANE_LOG");
    return level && std::string_view(level) == "debug";
  }();
  if (!is_wanted) return;
  const std::scoped_lock lock(sink().mutex);
  standard_error().warn("{}", text::terminal_text(text));
}

std::function<void(const std::string&)> set_warning_sink(std::function<void(const std::string&)> write) {
  auto& current = sink();
  const std::scoped_lock lock(current.mutex);
  return std::exchange(current.write, std::move(write));
}

}  // namespace greenlane
