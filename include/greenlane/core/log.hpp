// Warnings, for facts that no call can return; and details for fault finding.
#pragma once

#include <functional>
#include <string>

namespace greenlane {

/// The least severe messages that are written.
enum class LogLevel {
  off,      ///< none
  warning,  ///< warnings; the default
  info,     ///< and what a pipeline does when it is opened and closed
  debug,    ///< and details, such as PyTorch's C++ stack of an error
};

/// Sets the level. Until then it is that of the environment variable GREENLANE_LOG: off, warning, info or debug.
/// Thread safety: any thread.
void set_log_level(LogLevel level) noexcept;
/// Returns the level.
[[nodiscard]] LogLevel log_level() noexcept;

/// Writes a warning to stderr, or to the sink of set_warning_sink().
/// Thread safety: any thread may call warn() and set_warning_sink(). A sink must not call them.
void warn(const std::string& text);

/// Writes what greenlane does to stderr, at the level info.
/// Thread safety: any thread.
void info(const std::string& text);

/// Writes details to stderr, at the level debug.
/// Thread safety: any thread.
void debug(const std::string& text);

/// Replaces the sink of warnings; an empty function restores the default. Returns the former sink.
std::function<void(const std::string&)> set_warning_sink(std::function<void(const std::string&)> write);

}  // namespace greenlane
