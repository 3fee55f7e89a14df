#include "core/stream_registry.hpp"

#include <greenlane/core/stream.hpp>
#include <greenlane/detail/core/process.hpp>

#include <charconv>
#include <mutex>
#include <unordered_map>

namespace greenlane {
namespace detail {
namespace {

struct Registry {
  struct Entry {
    std::string lane;
    bool closed = false;
    bool for_captures = false;
  };
  std::mutex mutex;
  std::unordered_map<std::int64_t, Entry> streams;
};

// Never destroyed: lanes in static storage may be closed after any static object here is gone.
Registry& registry() {
  static PerProcess<Registry> all;
  return all.get();
}

}  // namespace

void register_open(StreamView stream, const std::string& lane, bool for_captures) {
  auto& all = registry();
  const std::scoped_lock lock(all.mutex);
  all.streams[stream.value()] = {.lane = lane, .for_captures = for_captures};
}

void register_closed(StreamView stream) noexcept {
  auto& all = registry();
  const std::scoped_lock lock(all.mutex);
  if (const auto entry = all.streams.find(stream.value()); entry != all.streams.end()) entry->second.closed = true;
}

void unregister(StreamView stream) noexcept {
  auto& all = registry();
  const std::scoped_lock lock(all.mutex);
  all.streams.erase(stream.value());
}

std::optional<std::string> closed_lane_of(StreamView stream) {
  auto& all = registry();
  const std::scoped_lock lock(all.mutex);
  const auto entry = all.streams.find(stream.value());
  if (entry == all.streams.end() || !entry->second.closed) return std::nullopt;
  return entry->second.lane;
}

void visit_streams(const std::function<void(const RegisteredStream&)>& visit) {
  auto& all = registry();
  const std::scoped_lock lock(all.mutex);
  for (const auto& [value, entry] : all.streams) {
    visit({.stream = StreamView::from_value(value),
           .lane = entry.lane,
           .is_closed = entry.closed,
           .is_for_captures = entry.for_captures});
  }
}

}  // namespace detail

std::string to_string(StreamView stream) {
  char text[2 * sizeof(std::int64_t)];
  const auto [end, error] = std::to_chars(text, text + sizeof text, static_cast<std::uint64_t>(stream.value()), 16);
  return "0x" + std::string(text, end);
}

}  // namespace greenlane
