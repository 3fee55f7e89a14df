#include <greenlane/runtime/report.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <vector>

namespace greenlane::runtime {
namespace {

using Json = nlohmann::json;

Json metadata(const char* kind, int process, int track, const std::string& name) {
  return {{"ph", "M"}, {"name", kind}, {"pid", process}, {"tid", track}, {"args", {{"name", name}}}};
}

struct Slice {
  const EngineResult* engine;
  RequestSpan span;
};

// The requests of a lane in the order in which it served them. It serves one at a time, while a request that waits for
// another engine's has already begun for its own thread: its slice starts when the lane was free.
std::vector<Slice> slices_of_lane(const ModeResult& result, const std::string& lane) {
  std::vector<Slice> slices;
  for (const auto& engine : result.engines) {
    if (engine.lane != lane) continue;
    for (const auto& span : engine.spans) slices.push_back({&engine, span});
  }
  std::ranges::sort(slices, {}, [](const Slice& slice) { return slice.span.end; });
  Nanoseconds free = Nanoseconds::min();
  for (auto& slice : slices) {
    slice.span.start = std::min(std::max(slice.span.start, free), slice.span.end);
    free = slice.span.end;
  }
  return slices;
}

}  // namespace

std::string trace_json(std::span<const ModeResult> results) {
  Json events = Json::array();
  for (std::size_t mode = 0; mode < results.size(); ++mode) {
    const auto& result = results[mode];
    const int process = static_cast<int>(mode) + 1;
    events.push_back(metadata("process_name", process, 0, "mode " + std::string(to_string(result.mode))));
    std::vector<std::string> lanes;
    for (const auto& engine : result.engines) {
      if (std::ranges::find(lanes, engine.lane) == lanes.end()) lanes.push_back(engine.lane);
    }
    for (std::size_t i = 0; i < lanes.size(); ++i) {
      const int track = static_cast<int>(i) + 1;
      events.push_back(metadata("thread_name", process, track, "lane " + lanes[i]));
      for (const auto& [engine, span] : slices_of_lane(result, lanes[i])) {
        const auto latency = span.end - span.scheduled;
        events.push_back({{"ph", "X"},
                          {"name", engine->name},
                          {"cat", "request"},
                          {"pid", process},
                          {"tid", track},
                          {"ts", to_microseconds(span.start)},
                          {"dur", to_microseconds(span.end - span.start)},
                          {"args",
                           {{"latency_us", to_microseconds(latency)},
                            {"scheduled_us", to_microseconds(span.scheduled)},
                            {"missed", latency > engine->deadline.value_or(Nanoseconds::max())}}}});
      }
    }
  }
  return Json{{"traceEvents", std::move(events)}, {"displayTimeUnit", "ms"}}.dump() + "\n";
}

}  // namespace greenlane::runtime
