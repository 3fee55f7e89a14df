#include <greenlane/detail/runtime/report.hpp>
#include <greenlane/detail/runtime/trace.hpp>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <fstream>
#include <map>
#include <random>
#include <string_view>

namespace greenlane::runtime {
namespace {

using nlohmann::json;
using std::chrono::microseconds;

EngineResult engine_of(const std::string& name, const std::string& lane, std::vector<RequestSpan> spans) {
  EngineResult engine;
  engine.name = name;
  engine.lane = lane;
  engine.spans = std::move(spans);
  return engine;
}

RequestSpan span_of(int scheduled, int start, int end) {
  return {microseconds(scheduled), microseconds(start), microseconds(end)};
}

std::vector<json> events(const std::vector<ModeResult>& results, const std::string& phase) {
  std::vector<json> found;
  const auto trace = json::parse(trace_json(results));
  for (const auto& event : trace.at("traceEvents")) {
    if (event.at("ph") == phase) found.push_back(event);
  }
  return found;
}

ModeResult mode_of(Mode mode, std::vector<EngineResult> engines) {
  ModeResult result;
  result.mode = mode;
  result.engines = std::move(engines);
  return result;
}

TEST(Trace, EveryLaneHasOneNamedTrack) {
  const auto names = events(
      {mode_of(Mode::lanes, {engine_of("a", "one", {}), engine_of("b", "two", {}), engine_of("c", "one", {})})}, "M");
  std::map<std::string, int> tracks;
  for (const auto& event : names) {
    if (event.at("name") == "thread_name") tracks[event.at("args").at("name")] = event.at("tid");
  }
  ASSERT_EQ(tracks.size(), 2U);
  EXPECT_NE(tracks.at("lane one"), tracks.at("lane two"));
}

TEST(Trace, EveryModeIsANamedProcess) {
  const auto names = events(
      {mode_of(Mode::lanes, {engine_of("a", "one", {})}), mode_of(Mode::shared, {engine_of("a", "one", {})})}, "M");
  std::map<int, std::string> modes;
  for (const auto& event : names) {
    if (event.at("name") == "process_name") modes[event.at("pid")] = event.at("args").at("name");
  }
  EXPECT_THAT(modes, ::testing::ElementsAre(std::pair(1, "mode lanes"), std::pair(2, "mode shared")));
}

TEST(Trace, ARequestIsASliceOnItsLanesTrack) {
  auto engine = engine_of("policy", "one", {span_of(10, 15, 40), span_of(110, 112, 120)});
  engine.deadline = microseconds(25);
  const auto slices = events({mode_of(Mode::lanes, {engine})}, "X");
  ASSERT_EQ(slices.size(), 2U);
  EXPECT_EQ(slices[0].at("name"), "policy");
  EXPECT_EQ(slices[0].at("ts"), 15);
  EXPECT_EQ(slices[0].at("dur"), 25);
  EXPECT_EQ(slices[0].at("args").at("scheduled_us"), 10);
  EXPECT_EQ(slices[0].at("args").at("latency_us"), 30);
  EXPECT_EQ(slices[0].at("args").at("missed"), true);
  EXPECT_EQ(slices[1].at("args").at("missed"), false);
}

TEST(Trace, AWaitingRequestBeginsWhenTheLaneIsFree) {
  const auto slices = events({mode_of(Mode::lanes, {engine_of("a", "one", {span_of(0, 0, 100)}),
                                                    engine_of("b", "one", {span_of(10, 10, 130)})})},
                             "X");
  ASSERT_EQ(slices.size(), 2U);
  EXPECT_EQ(slices[1].at("name"), "b");
  EXPECT_EQ(slices[1].at("ts"), 100);
  EXPECT_EQ(slices[1].at("dur"), 30);
}

TEST(Trace, SlicesOfOneTrackNeverOverlap) {
  std::mt19937 random(3);
  const auto below = [&](int end) { return std::uniform_int_distribution<int>(0, end - 1)(random); };
  for (int round = 0; round < 50; ++round) {
    std::vector<EngineResult> engines;
    for (int e = 0; e < 4; ++e) {
      std::vector<RequestSpan> spans;
      int time = 0;
      for (int i = 0; i < 30; ++i) {
        const int start = time + below(50);
        time = start + below(200);
        spans.push_back(span_of(start - below(30), start, time));
      }
      engines.push_back(
          engine_of(std::string("e").append(std::to_string(e)), e % 2 == 0 ? "one" : "two", std::move(spans)));
    }
    std::map<int, std::vector<std::pair<double, double>>> tracks;
    for (const auto& slice : events({mode_of(Mode::lanes, engines)}, "X")) {
      tracks[slice.at("tid")].emplace_back(slice.at("ts"), slice.at("dur"));
    }
    ASSERT_EQ(tracks.size(), 2U);
    for (auto& [track, slices] : tracks) {
      ASSERT_EQ(slices.size(), 60U);
      std::ranges::sort(slices);
      for (std::size_t i = 0; i < slices.size(); ++i) {
        EXPECT_GE(slices[i].second, 0);
        if (i > 0) {
          EXPECT_GE(slices[i].first, slices[i - 1].first + slices[i - 1].second - 1e-6);
        }
      }
    }
  }
}

TEST(Trace, ATraceWithoutSpansIsValid) {
  EXPECT_TRUE(json::parse(trace_json({})).at("traceEvents").empty());
  EXPECT_TRUE(events({mode_of(Mode::lanes, {engine_of("a", "one", {})})}, "X").empty());
}

// Returns the highest memory use since `reset_peak()`, in bytes.
std::size_t peak_memory() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stoul(line.substr(6)) * 1024;
  }
  return 0;
}

void reset_peak() { std::ofstream("/proc/self/clear_refs") << "5"; }

TEST(Trace, ALongTraceIsNotHeldInMemory) {
  std::vector<RequestSpan> spans;
  for (int i = 0; i < 200'000; ++i) spans.push_back(span_of(10 * i, 10 * i + 1, 10 * i + 5));
  const std::vector<ModeResult> results{mode_of(Mode::lanes, {engine_of("policy", "one", std::move(spans))})};
  reset_peak();
  const auto before = peak_memory();
  std::size_t written = 0;
  write_trace(results, [&](std::string_view piece) { written += piece.size(); });
  EXPECT_GT(written, 20'000'000U);
  EXPECT_LT(peak_memory() - before, written / 2) << "the whole trace was held in memory";
}

TEST(Trace, ThePiecesEqualTheWholeTrace) {
  const std::vector<ModeResult> results{mode_of(Mode::lanes, {engine_of("a", "one", {span_of(0, 1, 2)})})};
  std::string pieces;
  write_trace(results, [&](std::string_view piece) { pieces += piece; });
  EXPECT_EQ(pieces, trace_json(results));
  EXPECT_EQ(json::parse(pieces).at("displayTimeUnit"), "ms");
}

TEST(Trace, NamesAreQuotedForJson) {
  const auto slices = events({mode_of(Mode::lanes, {engine_of("say \"hi\"\n\\", "one", {span_of(0, 1, 2)})})}, "X");
  EXPECT_EQ(slices.at(0).at("name"), "say \"hi\"\n\\");
}

TEST(Trace, SlicesAndPassesHaveSeparateTracks) {
  auto head = engine_of("head", "rest", {span_of(0, 0, 100)});
  head.slices = {{.begin = microseconds(1), .end = microseconds(20)},
                 {.begin = microseconds(60), .end = microseconds(90)}};
  auto result = mode_of(Mode::gates, {head});
  result.passes = {{.begin = microseconds(30), .end = microseconds(50)},
                   {.begin = microseconds(10), .end = microseconds(40)},
                   {.begin = microseconds(70), .end = microseconds(80)}};
  std::map<int, std::string> names;
  for (const auto& event : events({result}, "M")) names[event.at("tid")] = event.at("args").at("name");
  std::map<std::string, std::vector<std::pair<double, double>>> tracks;
  for (const auto& event : events({result}, "X"))
    tracks[names.at(event.at("tid"))].emplace_back(event.at("ts"), event.at("dur"));
  using Spans = std::vector<std::pair<double, double>>;
  EXPECT_EQ(tracks.at("slices of head"), (Spans{{1, 19}, {60, 30}}));
  EXPECT_EQ(tracks.at("gate"), (Spans{{10, 40}, {70, 10}})) << "overlapping passes were not merged";
}

audit::TracedKernel kernel_of(const std::string& location, const std::string& lane, int begin, int end) {
  return {.kernel = "matmul",
          .engine = "policy",
          .where = location,
          .lane = lane,
          .is_stray = lane.empty(),
          .begin = microseconds(1'000'000 + begin),
          .end = microseconds(1'000'000 + end)};
}

// Returns the result of an audit whose measurement began a second after the clock did.
ModeResult audited(std::vector<audit::TracedKernel> kernels) {
  auto result = mode_of(Mode::lanes, {engine_of("policy", "one", {span_of(0, 1, 30)}), engine_of("b", "two", {})});
  result.begin = std::chrono::steady_clock::time_point(microseconds(1'000'000));
  result.kernels = std::move(kernels);
  result.is_audited = true;
  return result;
}

TEST(Trace, KernelTracksFollowTheirLanes) {
  const auto result = audited({kernel_of("all of cuda:0", "", 2, 4), kernel_of("partition 'two'", "two", 3, 5),
                               kernel_of("partition 'one'", "one", 5, 9)});
  std::vector<std::string> tracks;
  std::map<int, std::string> names;
  for (const auto& event : events({result}, "M")) {
    if (event.at("name") != "thread_name") continue;
    names[event.at("tid")] = event.at("args").at("name");
  }
  for (const auto& [track, name] : names) tracks.push_back(name);
  EXPECT_THAT(tracks, ::testing::ElementsAre("lane one", "GPU, partition 'one'", "lane two", "GPU, partition 'two'",
                                             "GPU, all of cuda:0"));
  int kernels = 0;
  for (const auto& slice : events({result}, "X")) {
    if (slice.at("cat") != "kernel") continue;
    ++kernels;
    EXPECT_EQ(slice.at("name"), "matmul");
    EXPECT_EQ(slice.at("args").at("engine"), "policy");
    const auto& track = names.at(slice.at("tid"));
    EXPECT_EQ(slice.at("args").at("stray"), track == "GPU, all of cuda:0");
    if (track == "GPU, partition 'one'") {
      EXPECT_EQ(slice.at("ts"), 5) << "the time does not count from the start of the measurement";
      EXPECT_EQ(slice.at("dur"), 4);
    }
  }
  EXPECT_EQ(kernels, 3);
}

TEST(Trace, AnAuditIsLabelled) {
  const auto names = events({audited({})}, "M");
  EXPECT_EQ(names.at(0).at("args").at("name"), "audit of mode lanes");
}

TEST(Trace, SimultaneousKernelsHaveSeparateTracks) {
  const auto result = audited({kernel_of("p", "one", 0, 10), kernel_of("p", "one", 5, 20),
                               kernel_of("p", "one", 10, 12), kernel_of("p", "one", 11, 13)});
  std::map<int, std::vector<std::pair<double, double>>> tracks;
  for (const auto& slice : events({result}, "X")) {
    if (slice.at("cat") == "kernel") tracks[slice.at("tid")].emplace_back(slice.at("ts"), slice.at("dur"));
  }
  using Spans = std::vector<std::pair<double, double>>;
  std::vector<Spans> rows;
  for (const auto& [track, spans] : tracks) rows.push_back(spans);
  EXPECT_EQ(rows, (std::vector<Spans>{{{0, 10}, {10, 2}}, {{5, 15}}, {{11, 2}}}));
}

TEST(Trace, ItemsHaveArrowsFromTheirSourceThroughTheRunsThatTookThem) {
  auto first = span_of(15, 20, 30);
  first.items = {{.source = 0, .sequence = 7}};
  auto second = span_of(30, 40, 50);
  second.items = {{.source = 0, .sequence = 7}, {.source = 0, .sequence = 8}};
  auto mode = mode_of(Mode::lanes, {engine_of("a", "one", {first}), engine_of("b", "two", {second})});
  mode.sources.push_back(
      {.name = "camera", .published = 3, .times = {microseconds(10), microseconds(12), microseconds(60)}, .first = 7});
  std::map<std::string, std::vector<std::pair<std::string, double>>> arrows;
  for (const auto& phase : {"s", "t", "f"}) {
    for (const auto& event : events({mode}, phase))
      arrows[event.at("name")].emplace_back(phase, event.at("ts").get<double>());
  }
  using Arrow = std::vector<std::pair<std::string, double>>;
  EXPECT_EQ(arrows["item 7"], (Arrow{{"s", 10}, {"t", 20}, {"f", 40}}));
  EXPECT_EQ(arrows["item 8"], (Arrow{{"s", 12}, {"f", 40}}));
  EXPECT_EQ(arrows.count("item 9"), 0U) << "no run took it";
}

}  // namespace
}  // namespace greenlane::runtime
