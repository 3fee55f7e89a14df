#include <spdlog/spdlog.h>

#include <mutex>
#include <utility>

#include <greenlane/core/log.hpp>

namespace greenlane {
namespace {

struct Sink {
  std::mutex mutex;
  std::function<void(const std::string&)> write;
};

Sink& sink() {
  static auto* one = new Sink;  // never destroyed: warnings may come from destructors of statics
  return *one;
}

}  // namespace

void warn(const std::string& text) {
  auto& current = sink();
  const std::scoped_lock lock(current.mutex);
  if (current.write) {
    current.write(text);
  } else {
    spdlog::warn("greenlane: {}", text);
  }
}

std::function<void(const std::string&)> set_warning_sink(std::function<void(const std::string&)> write) {
  auto& current = sink();
  const std::scoped_lock lock(current.mutex);
  return std::exchange(current.write, std::move(write));
}

}  // namespace greenlane
