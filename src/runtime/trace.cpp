#include "runtime/trace_flows.hpp"
#include "text/duration.hpp"
#include "text/json_text.hpp"

#include <greenlane/detail/runtime/output_file.hpp>
#include <greenlane/detail/runtime/report.hpp>
#include <greenlane/detail/runtime/trace.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <map>
#include <vector>

namespace greenlane::runtime {
namespace {

using TraceJson = nlohmann::json;

TraceJson metadata(const char* kind, int process, int track, const std::string& name) {
  return {{"ph", "M"}, {"name", kind}, {"pid", process}, {"tid", track}, {"args", {{"name", name}}}};
}

struct Slice {
  const EngineResult* engine;
  RequestSpan span;
};

// Returns the requests of a lane in the order in which the lane served them. The lane serves one request at a time, but
// for its own thread a waiting request has already begun. Its slice therefore starts when the lane was free.
std::vector<Slice> slices_of_lane(const ModeResult& result, const std::string& lane) {
  std::size_t count = 0;
  for (const auto& engine : result.engines) count += engine.lane == lane ? engine.spans.size() : 0;
  std::vector<Slice> slices;
  slices.reserve(count);
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

// Merges spans that overlap: a gate that is closed twice at once is closed.
std::vector<Span> merged(std::vector<Span> spans) {
  std::ranges::sort(spans, {}, &Span::begin);
  std::vector<Span> apart;
  for (const auto& span : spans) {
    if (!apart.empty() && span.begin <= apart.back().end) {
      apart.back().end = std::max(apart.back().end, span.end);
    } else {
      apart.push_back(span);
    }
  }
  return apart;
}

// The GPU's work in one location. Work that overlaps is on different rows.
struct KernelTracks {
  std::string where;
  std::string lane;
  std::vector<std::vector<const audit::TracedKernel*>> rows;

  void add(const audit::TracedKernel& kernel) {
    for (auto& row : rows) {
      if (row.back()->end > kernel.begin) continue;
      row.push_back(&kernel);
      return;
    }
    rows.push_back({&kernel});
  }
};

std::vector<KernelTracks> kernels_by_location(const ModeResult& result) {
  std::vector<KernelTracks> locations;
  for (const auto& kernel : result.kernels) {
    auto found = std::ranges::find(locations, kernel.where, &KernelTracks::where);
    if (found == locations.end())
      found = locations.insert(locations.end(), {.where = kernel.where, .lane = kernel.lane, .rows = {}});
    found->add(kernel);
  }
  return locations;
}

// The items of a list, each written when it is added.
class Events {
 public:
  explicit Events(const TextSink& sink) : sink_(sink) {}

  void add(const TraceJson& event) {
    sink_((is_first_ ? "" : ",") + text::json_text(event));
    is_first_ = false;
  }

 private:
  const TextSink& sink_;
  bool is_first_ = true;
};

// The tracks of one process, one after another.
class Tracks {
 public:
  Tracks(Events& events, int process) : events_(events), process_(process) {}

  [[nodiscard]] int track() const noexcept { return track_; }
  void begin(const std::string& name) { events_.add(metadata("thread_name", process_, ++track_, name)); }
  void add(const std::string& name, const char* category, Nanoseconds begin, Nanoseconds end, TraceJson args) {
    events_.add({{"ph", "X"},
                 {"name", name},
                 {"cat", category},
                 {"pid", process_},
                 {"tid", track_},
                 {"ts", text::to_microseconds(begin)},
                 {"dur", text::to_microseconds(end - begin)},
                 {"args", std::move(args)}});
  }

 private:
  Events& events_;
  int process_;
  int track_ = 0;
};

void add_kernels(Tracks& tracks, const KernelTracks& location, const ModeResult& result) {
  const Nanoseconds begin = result.begin.time_since_epoch();
  for (std::size_t i = 0; i < location.rows.size(); ++i) {
    tracks.begin("GPU, " + location.where + (i == 0 ? "" : " (" + std::to_string(i + 1) + ")"));
    for (const auto* kernel : location.rows[i]) {
      tracks.add(kernel->kernel, "kernel", kernel->begin - begin, kernel->end - begin,
                 {{"engine", kernel->engine}, {"stray", kernel->is_stray}});
    }
  }
}

// Adds one track for each source, with a short slice for each item.
void add_sources(Tracks& tracks, TraceFlows& flows, const ModeResult& result) {
  constexpr auto kShown = std::chrono::microseconds(1);
  for (std::size_t source = 0; source < result.sources.size(); ++source) {
    const auto& times = result.sources[source].times;
    if (times.empty()) continue;
    tracks.begin("source " + result.sources[source].name);
    for (std::size_t i = 0; i < times.size(); ++i) {
      const auto sequence = result.sources[source].first + i;
      tracks.add("item " + std::to_string(sequence), "publish", times[i], times[i] + kShown, TraceJson::object());
      flows.pass({.source = source, .sequence = sequence}, tracks.track(), times[i]);
    }
  }
}

void add_lanes(Tracks& tracks, TraceFlows& flows, const ModeResult& result) {
  auto locations = kernels_by_location(result);
  std::vector<std::string> lanes;
  for (const auto& engine : result.engines) {
    if (std::ranges::find(lanes, engine.lane) == lanes.end()) lanes.push_back(engine.lane);
  }
  for (const auto& lane : lanes) {
    tracks.begin("lane " + lane);
    for (const auto& [engine, span] : slices_of_lane(result, lane)) {
      const auto latency = span.end - span.scheduled;
      tracks.add(engine->name, "request", span.start, span.end,
                 {{"latency_us", text::to_microseconds(latency)},
                  {"scheduled_us", text::to_microseconds(span.scheduled)},
                  {"missed", latency > engine->deadline.value_or(Nanoseconds::max())}});
      for (const auto& item : span.items) flows.pass(item, tracks.track(), span.start);
    }
    for (const auto& location : locations) {
      if (location.lane == lane) add_kernels(tracks, location, result);
    }
    std::erase_if(locations, [&](const auto& location) { return location.lane == lane; });
  }
  for (const auto& location : locations) add_kernels(tracks, location, result);
}

void add_gate(Tracks& tracks, const ModeResult& result) {
  if (!result.passes.empty()) {
    tracks.begin("gate");
    for (const auto& span : merged(result.passes))
      tracks.add("closed", "pass", span.begin, span.end, TraceJson::object());
  }
  for (const auto& engine : result.engines) {
    if (engine.slices.empty()) continue;
    tracks.begin("slices of " + engine.name);
    for (const auto& span : engine.slices) tracks.add("slice", "slice", span.begin, span.end, TraceJson::object());
  }
}

}  // namespace

void write_trace(std::span<const ModeResult> results, const TextSink& sink) {
  sink(R"({"displayTimeUnit":"ms","traceEvents":[)");
  Events events(sink);
  for (std::size_t mode = 0; mode < results.size(); ++mode) {
    const auto& result = results[mode];
    const int process = static_cast<int>(mode) + 1;
    const std::string kind = result.is_audited ? "audit of mode " : "mode ";
    events.add(metadata("process_name", process, 0, kind + std::string(to_string(result.mode))));
    Tracks tracks(events, process);
    TraceFlows flows(process);
    add_sources(tracks, flows, result);
    add_lanes(tracks, flows, result);
    add_gate(tracks, result);
    flows.write([&](const TraceJson& event) { events.add(event); });
  }
  sink("]}\n");
}

std::string trace_json(std::span<const ModeResult> results) {
  std::string text;
  write_trace(results, [&](std::string_view piece) { text += piece; });
  return text;
}

}  // namespace greenlane::runtime
