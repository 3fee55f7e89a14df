#include "runtime/metrics/metric_families.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace greenlane::runtime {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// A pipeline of two engines on a GPU, each with all that an engine can have, or with as little as possible.
PipelineStats example() {
  PipelineStats stats;
  auto& full = stats.engines.emplace_back();
  full.name = "a \"name\"\n";
  full.lane = "fast";
  full.device = "cuda:0";
  full.units = 64;
  full.deadline = std::chrono::milliseconds(5);
  full.figures.misses = 7;
  full.figures.stale = 3;
  full.figures.dropped = 2;
  full.figures.whole.count = 3;
  full.figures.whole.sum = std::chrono::microseconds(2080);
  full.figures.whole.up_to.fill(2);
  full.figures.whole.up_to[0] = 1;
  full.figures.whole.up_to.back() = 3;
  full.queued = 4;
  full.graphs = GraphFigures{};
  full.graphs->bytes = 4096;
  full.graphs->slices = 9;
  full.edges.push_back({.producer = "camera", .waiting = 2, .taken = 11, .dropped = 5, .rejected = 1});
  auto& bare = stats.engines.emplace_back();
  bare.name = "bare";
  bare.error = "it failed";
  stats.sources.push_back({.name = "camera", .published = 12});
  auto& path = stats.paths.emplace_back();
  path.name = "act";
  path.deadline = std::chrono::milliseconds(60);
  path.figures.misses = 1;
  path.figures.dropped = 6;
  auto& device = stats.devices.emplace_back();
  device.device = "cuda:0";
  device.gate = GateReport{};
  device.gate->held = 8;
  device.gate->held_time = std::chrono::milliseconds(1500);
  device.allocator_bytes = 1 << 20;
  return stats;
}

const std::string kFull = R"(engine="a \"name\"\n")";

TEST(MetricFamilies, HistogramsAreCumulativeWithABucketForAll) {
  const auto text = metrics_text(example());
  const std::string name = "greenlane_engine_latency_seconds";
  EXPECT_THAT(text, HasSubstr("# TYPE " + name + " histogram"));
  EXPECT_THAT(text, HasSubstr(name + "_count{" + kFull + "} 3"));
  EXPECT_THAT(text, HasSubstr(name + "_sum{" + kFull + "} 0.00208"));
  EXPECT_THAT(text, HasSubstr(name + "_bucket{" + kFull + ",le=\"5e-05\"} 1"));
  EXPECT_THAT(text, HasSubstr(name + "_bucket{" + kFull + ",le=\"0.005\"} 2"));
  EXPECT_THAT(text, HasSubstr(name + "_bucket{" + kFull + ",le=\"10\"} 3"));
  EXPECT_THAT(text, HasSubstr(name + "_bucket{" + kFull + ",le=\"+Inf\"} 3"));
  EXPECT_THAT(text, HasSubstr("greenlane_path_latency_seconds_count{path=\"act\"} 0"));
}

TEST(MetricFamilies, EveryFigureHasItsMetric) {
  const auto text = metrics_text(example());
  for (const std::string line : {
           "greenlane_engine_deadline_misses_total{" + kFull + "} 7",
           "greenlane_engine_stale_total{" + kFull + "} 3",
           "greenlane_engine_dropped_requests_total{" + kFull + "} 2",
           "greenlane_engine_queue_length{" + kFull + "} 4",
           "greenlane_engine_deadline_seconds{" + kFull + "} 0.005",
           "greenlane_engine_units{" + kFull + ",lane=\"fast\",device=\"cuda:0\"} 64",
           "greenlane_engine_graph_memory_bytes{" + kFull + "} 4096",
           "greenlane_engine_graph_slices{" + kFull + "} 9",
           "greenlane_edge_queue_length{" + kFull + ",producer=\"camera\"} 2",
           "greenlane_edge_read_values_total{" + kFull + ",producer=\"camera\"} 11",
           "greenlane_edge_dropped_values_total{" + kFull + ",producer=\"camera\"} 5",
           "greenlane_edge_rejected_values_total{" + kFull + ",producer=\"camera\"} 1",
           std::string("greenlane_engine_up{engine=\"bare\"} 0"),
           std::string("greenlane_source_items_total{source=\"camera\"} 12"),
           std::string("greenlane_path_deadline_misses_total{path=\"act\"} 1"),
           std::string("greenlane_path_dropped_items_total{path=\"act\"} 6"),
           std::string("greenlane_path_deadline_seconds{path=\"act\"} 0.06"),
           std::string("greenlane_gate_holds_total{device=\"cuda:0\"} 8"),
           std::string("greenlane_gate_hold_seconds_total{device=\"cuda:0\"} 1.5"),
           std::string("greenlane_device_allocator_bytes{device=\"cuda:0\"} 1048576"),
       })
    EXPECT_THAT(text, HasSubstr("\n" + line + "\n"));
}

TEST(MetricFamilies, AbsentFiguresHaveNoMetric) {
  auto stats = example();
  const auto text = metrics_text(stats);
  EXPECT_THAT(text, Not(HasSubstr("greenlane_engine_deadline_seconds{engine=\"bare\"}")));
  EXPECT_THAT(text, Not(HasSubstr("greenlane_engine_graph_memory_bytes{engine=\"bare\"}")));
  EXPECT_THAT(text, Not(HasSubstr("greenlane_engine_input_age_seconds_count{engine=\"bare\"}")));
  stats.devices[0].gate.reset();
  EXPECT_THAT(metrics_text(stats), Not(HasSubstr("greenlane_gate")));
}

}  // namespace
}  // namespace greenlane::runtime
