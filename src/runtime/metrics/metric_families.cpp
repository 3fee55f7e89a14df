#include "runtime/metrics/metric_families.hpp"

#include <greenlane/version.hpp>

#include <prometheus/text_serializer.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>

namespace greenlane::runtime {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

double in_seconds(std::chrono::nanoseconds time) { return std::chrono::duration<double>(time).count(); }
double number(std::uint64_t count) { return static_cast<double>(count); }
double number(bool is_so) { return is_so ? 1 : 0; }

// One family, which is left out while it has no metrics.
class Family {
 public:
  Family(MetricType type, std::string name, std::string help) {
    family_.name = "greenlane_" + std::move(name);
    family_.help = std::move(help);
    family_.type = type;
  }
  void add(Labels labels, double value) {
    auto& metric = family_.metric.emplace_back();
    metric.label = std::move(labels);
    (family_.type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
  }
  void add(Labels labels, const std::optional<std::chrono::nanoseconds>& time) {
    if (time) add(std::move(labels), in_seconds(*time));
  }
  void add(Labels labels, const LatencyFigures& figures) {
    auto& metric = family_.metric.emplace_back();
    metric.label = std::move(labels);
    metric.histogram.sample_count = figures.count;
    metric.histogram.sample_sum = in_seconds(figures.sum);
    for (std::size_t i = 0; i < kLatencyBounds.size(); ++i)
      metric.histogram.bucket.push_back({.cumulative_count = figures.up_to[i], .upper_bound = kLatencyBounds[i]});
  }
  void move_to(std::vector<MetricFamily>& families) {
    if (!family_.metric.empty()) families.push_back(std::move(family_));
  }

 private:
  MetricFamily family_;
};

// Makes a family with a metric of each object, such as of each engine. `add` is called with the family and an object.
template <typename Objects, typename Add>
void collect(std::vector<MetricFamily>& families, MetricType type, const char* name, const char* help,
             const Objects& objects, const Add& add) {
  Family family(type, name, help);
  for (const auto& object : objects) add(family, object);
  family.move_to(families);
}

Labels labels_of(const EngineStats& engine) { return {{"engine", engine.name}}; }
Labels labels_of(const SourceStats& source) { return {{"source", source.name}}; }
Labels labels_of(const PathStats& path) { return {{"path", path.name}}; }
Labels labels_of(const TenantStats& tenant) { return {{"tenant", tenant.name}}; }
Labels labels_of(const DeviceStats& device) { return {{"device", device.device}}; }

// Returns an `add` for collect() that takes a value of each object.
template <typename ValueOf>
auto each(const ValueOf& value_of) {
  return [value_of](Family& family, const auto& object) { family.add(labels_of(object), value_of(object)); };
}

void add_engines(std::vector<MetricFamily>& all, const std::vector<EngineStats>& engines) {
  const auto counter = [&](const char* name, const char* help, std::uint64_t RunFigures::* count) {
    collect(all, MetricType::Counter, name, help, engines,
            each([count](const EngineStats& engine) { return number(engine.figures.*count); }));
  };
  const auto gauge = [&](const char* name, const char* help, const auto& value_of) {
    collect(all, MetricType::Gauge, name, help, engines, each(value_of));
  };
  collect(all, MetricType::Histogram, "engine_latency_seconds",
          "Time of a run from its arrival to the end of its work on the device.", engines,
          each([](const EngineStats& engine) { return engine.figures.whole; }));
  collect(all, MetricType::Histogram, "engine_wait_seconds", "Time of a run from its arrival to its start.", engines,
          each([](const EngineStats& engine) { return engine.figures.waits; }));
  collect(all, MetricType::Histogram, "engine_input_age_seconds",
          "Age of the oldest source item in the inputs of a run, at its start.", engines,
          [](Family& family, const EngineStats& engine) {
            if (!engine.edges.empty()) family.add(labels_of(engine), engine.figures.ages);
          });
  counter("engine_calls_total", "Calls that returned before their work was done, on a GPU. On a CPU calls are runs.",
          &RunFigures::calls);
  counter("engine_failures_total", "Runs and calls that ended with the engine's error.", &RunFigures::failed);
  counter("engine_deadline_misses_total",
          "Runs later than their deadline, skipped ticks, and requests that were dropped when late.",
          &RunFigures::misses);
  counter("engine_skipped_ticks_total", "Ticks of the engine's timer that passed while it was busy.",
          &RunFigures::skipped);
  counter("engine_dropped_requests_total", "Requests whose deadline passed before they began.", &RunFigures::dropped);
  counter("engine_rejected_requests_total",
          "Requests that found the queue full, or were beyond the limits of their tenant.", &RunFigures::rejected);
  counter("engine_cancelled_requests_total", "Requests that were cancelled before they began.", &RunFigures::cancelled);
  counter("engine_batches_total", "Runs that served requests together.", &RunFigures::batches);
  counter("engine_batch_rows_total", "Rows of requests that ran together.", &RunFigures::batch_rows);
  counter("engine_padding_rows_total", "Rows that filled runs up to a listed size.", &RunFigures::padding_rows);
  counter("engine_not_ready_total", "Runs that were skipped because an edge had no value yet.", &RunFigures::not_ready);
  counter("engine_stale_total", "Runs that were skipped because their inputs were too old.", &RunFigures::stale);
  gauge("engine_queue_length", "Requests that have not begun.",
        [](const EngineStats& engine) { return number(std::uint64_t{engine.queued}); });
  gauge("engine_busy", "1 while a request or a run is under way.",
        [](const EngineStats& engine) { return number(engine.is_busy); });
  gauge("engine_up", "1 while the engine serves, 0 once it stopped.",
        [](const EngineStats& engine) { return number(engine.error.empty()); });
  gauge("engine_deadline_seconds", "The engine's deadline.", [](const EngineStats& engine) { return engine.deadline; });
  collect(all, MetricType::Gauge, "engine_units", "SMs or cores of the engine's lane.", engines,
          [](Family& family, const EngineStats& engine) {
            family.add({{"engine", engine.name}, {"lane", engine.lane}, {"device", engine.device}}, engine.units);
          });
}

void add_graphs(std::vector<MetricFamily>& all, const std::vector<EngineStats>& engines) {
  const auto add = [&](MetricType type, const char* name, const char* help, const auto& value_of) {
    collect(all, type, name, help, engines, [&](Family& family, const EngineStats& engine) {
      if (engine.graphs) family.add(labels_of(engine), value_of(*engine.graphs));
    });
  };
  add(MetricType::Counter, "engine_graph_replays_total", "Launches of the engine's CUDA graphs.",
      [](const GraphFigures& graphs) { return number(graphs.replays); });
  add(MetricType::Gauge, "engine_graph_memory_bytes", "Device memory of the engine's CUDA graphs.",
      [](const GraphFigures& graphs) { return number(graphs.bytes); });
  add(MetricType::Gauge, "engine_graph_slices", "Slices of each launch.",
      [](const GraphFigures& graphs) { return static_cast<double>(graphs.slices); });
  add(MetricType::Gauge, "engine_longest_slice_seconds", "The longest slice, as measured; 0: not measured.",
      [](const GraphFigures& graphs) { return in_seconds(graphs.longest_slice); });
}

void add_edges(std::vector<MetricFamily>& all, const std::vector<EngineStats>& engines) {
  const auto add = [&](MetricType type, const char* name, const char* help, const auto& value_of) {
    collect(all, type, name, help, engines, [&](Family& family, const EngineStats& engine) {
      for (const auto& edge : engine.edges)
        family.add({{"engine", engine.name}, {"producer", edge.producer}}, number(value_of(edge)));
    });
  };
  add(MetricType::Gauge, "edge_queue_length", "Values that wait in the edge's queue.",
      [](const EdgeStats& edge) { return std::uint64_t{edge.waiting}; });
  add(MetricType::Counter, "edge_read_values_total", "Values that a run has read, each once.",
      [](const EdgeStats& edge) { return edge.taken; });
  add(MetricType::Counter, "edge_dropped_values_total", "Values that newer ones replaced before a run read them.",
      [](const EdgeStats& edge) { return edge.dropped; });
  add(MetricType::Counter, "edge_rejected_values_total", "Values that found the queue full.",
      [](const EdgeStats& edge) { return edge.rejected; });
}

void add_paths(std::vector<MetricFamily>& all, const PipelineStats& stats) {
  collect(all, MetricType::Counter, "source_items_total", "Items that the source published.", stats.sources,
          each([](const SourceStats& source) { return number(source.published); }));
  collect(all, MetricType::Histogram, "path_latency_seconds",
          "Time from the publication of an item to the first result that contains it.", stats.paths,
          each([](const PathStats& path) { return path.figures.whole; }));
  collect(all, MetricType::Counter, "path_deadline_misses_total", "Items that took longer than the path's deadline.",
          stats.paths, each([](const PathStats& path) { return number(path.figures.misses); }));
  collect(all, MetricType::Counter, "path_dropped_items_total",
          "Items that no result contained, though one contained a newer item.", stats.paths,
          each([](const PathStats& path) { return number(path.figures.dropped); }));
  collect(all, MetricType::Gauge, "path_deadline_seconds", "The path's deadline.", stats.paths,
          each([](const PathStats& path) { return path.deadline; }));
}

void add_tenants(std::vector<MetricFamily>& all, const std::vector<TenantStats>& tenants) {
  collect(all, MetricType::Counter, "tenant_busy_seconds_total", "Time of the runs of all the tenant's requests.",
          tenants, each([](const TenantStats& tenant) { return in_seconds(tenant.busy); }));
  collect(all, MetricType::Counter, "tenant_refused_requests_total", "Requests beyond the tenant's own limits.",
          tenants, each([](const TenantStats& tenant) { return number(tenant.refused); }));
  collect(all, MetricType::Gauge, "tenant_queue_length", "Requests of the tenant that have not begun.", tenants,
          each([](const TenantStats& tenant) { return number(std::uint64_t{tenant.waiting}); }));
  collect(all, MetricType::Gauge, "tenant_weight", "The tenant's share of best-effort time, relative to others.",
          tenants, each([](const TenantStats& tenant) { return tenant.weight; }));
}

void add_devices(std::vector<MetricFamily>& all, const std::vector<DeviceStats>& devices) {
  const auto add = [&](MetricType type, const char* name, const char* help, const auto& value_of) {
    collect(all, type, name, help, devices, [&](Family& family, const DeviceStats& device) {
      if (device.gate) family.add(labels_of(device), value_of(*device.gate));
    });
  };
  add(MetricType::Counter, "gate_passes_total", "Urgent calls.",
      [](const GateReport& gate) { return number(gate.passes); });
  add(MetricType::Counter, "gate_passes_beside_total", "Urgent calls that did not hold some best-effort work.",
      [](const GateReport& gate) { return number(gate.beside); });
  add(MetricType::Counter, "gate_holds_total", "Times that best-effort work waited at the gate.",
      [](const GateReport& gate) { return number(gate.held); });
  add(MetricType::Counter, "gate_hold_seconds_total", "Time that best-effort work waited at the gate.",
      [](const GateReport& gate) { return in_seconds(gate.held_time); });
  add(MetricType::Gauge, "gate_longest_hold_seconds", "The longest of these waits.",
      [](const GateReport& gate) { return in_seconds(gate.longest_held); });
  add(MetricType::Counter, "gate_limits_hit_total", "Urgent calls that were released at their limit.",
      [](const GateReport& gate) { return number(gate.limits_hit); });
  collect(all, MetricType::Gauge, "device_allocator_bytes", "Memory of PyTorch's caching allocator.", devices,
          each([](const DeviceStats& device) { return number(device.allocator_bytes); }));
}

void add_pipeline(std::vector<MetricFamily>& all, const PipelineStats& stats) {
  const auto gauge = [&](const char* name, const char* help, double value) {
    Family family(MetricType::Gauge, name, help);
    family.add(Labels{}, value);
    family.move_to(all);
  };
  gauge("pipeline_running", "1 while the pipeline's triggers run the engines.", number(stats.is_running));
  gauge("pipeline_broken", "1 once an engine hangs.", number(stats.is_broken));
  gauge("pipeline_open_seconds", "Time since the pipeline was opened.", in_seconds(stats.open_for));
  gauge("process_resident_memory_bytes", "Resident memory of the process.", number(stats.host_bytes));
  Family build(MetricType::Gauge, "build_info", "The version of greenlane; always 1.");
  build.add({{"version", kVersion}}, 1.0);
  build.move_to(all);
}

}  // namespace

std::vector<MetricFamily> metric_families(const PipelineStats& stats) {
  std::vector<MetricFamily> all;
  add_engines(all, stats.engines);
  add_graphs(all, stats.engines);
  add_edges(all, stats.engines);
  add_paths(all, stats);
  add_tenants(all, stats.tenants);
  add_devices(all, stats.devices);
  add_pipeline(all, stats);
  return all;
}

std::string metrics_text(const PipelineStats& stats) {
  return prometheus::TextSerializer().Serialize(metric_families(stats));
}

}  // namespace greenlane::runtime
