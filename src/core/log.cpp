#include "text/plain_output.hpp"
#include "text/terminal_text.hpp"

#include <greenlane/core/log.hpp>
#include <greenlane/detail/core/process.hpp>

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <unistd.h>

#include <atomic>
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
  static auto* one = [] {
    auto stream = std::make_shared<spdlog::sinks::stderr_color_sink_st>();
    // spdlog does not know NO_COLOR, and writes colours to a dumb terminal if COLORTERM is set.
    if (text::is_plain_output(STDERR_FILENO)) stream->set_color_mode(spdlog::color_mode::never);
    auto* logger = new spdlog::logger("greenlane", std::move(stream));
    logger->set_level(spdlog::level::trace);  // the callers choose
    return logger;
  }();
  return *one;
}

LogLevel level_of_environment() {
  const char* text = std::getenv("GREENLANE_LOG");
  const std::string_view name = text ? text : "";
  if (name == "off") return LogLevel::off;
  if (name == "info") return LogLevel::info;
  if (name == "debug") return LogLevel::debug;
  return LogLevel::warning;
}

std::atomic<LogLevel>& current_level() {
  static std::atomic<LogLevel> one{level_of_environment()};
  return one;
}

// Writes details. The level of spdlog's message is shown.
void write(spdlog::level::level_enum shown, const std::string& text) {
  const std::scoped_lock lock(sink().mutex);
  standard_error().log(shown, "{}", text::terminal_text(text));
}

}  // namespace

void set_log_level(LogLevel level) noexcept { current_level() = level; }
LogLevel log_level() noexcept { return current_level(); }

void warn(const std::string& text) {
  if (log_level() < LogLevel::warning) return;
  auto& current = sink();
  const std::scoped_lock lock(current.mutex);
  if (current.write) {
    current.write(text);
  } else {
    standard_error().warn("{}", text::terminal_text(text));
  }
}

void info(const std::string& text) {
  if (log_level() >= LogLevel::info) write(spdlog::level::info, text);
}

void debug(const std::string& text) {
  if (log_level() >= LogLevel::debug) write(spdlog::level::debug, text);
}

std::function<void(const std::string&)> set_warning_sink(std::function<void(const std::string&)> write) {
  auto& current = sink();
  const std::scoped_lock lock(current.mutex);
  return std::exchange(current.write, std::move(write));
}

}  // namespace greenlane
