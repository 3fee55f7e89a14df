// CUDA graphs and gates: bodies of the functions that torchbind.cpp registers.
#pragma once

#include "objects.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/detail/core/gate.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace greenlane::bindings {

inline GraphOptions graph_options(bool views, bool tune) {
  return {.outputs = views ? GraphOutputs::views : GraphOutputs::copies, .tune_kernels = tune};
}

// Lists of each graph's units, units that its kernels were picked for (-1: the whole device), replays and slices. Then
// bytes of device memory, and the obstacle.
using ReportTuple = std::tuple<std::vector<int64_t>, std::vector<int64_t>, std::vector<int64_t>, std::vector<int64_t>,
                               int64_t, std::string>;

inline std::optional<ReportTuple> as_tuple(const std::optional<GraphReport>& report) {
  if (!report) return std::nullopt;
  ReportTuple result;
  auto& [units, kernel_units, replays, slices, bytes, obstacle] = result;
  for (const auto& graph : report->graphs) {
    units.push_back(graph.units);
    kernel_units.push_back(graph.kernel_units.value_or(-1));
    replays.push_back(static_cast<int64_t>(graph.replays));
    slices.push_back(graph.slices);
  }
  bytes = static_cast<int64_t>(report->bytes);
  obstacle = report->obstacle;
  return result;
}

// Returns a model in Python: `function(key)` is called with the inputs in the exchange, and leaves the outputs there.
inline ResidentGraphs::Model python_model(const ExchangePtr& exchange, int64_t function, int64_t key) {
  auto* const call = reinterpret_cast<void (*)(int64_t)>(function);  // NOLINT(performance-no-int-to-ptr)
  return [exchange, call, key](const std::vector<at::Tensor>& inputs) {
    exchange->inputs = inputs;
    exchange->outputs.reset();
    exchange->failure.clear();
    call(key);
    exchange->inputs.clear();
    if (!exchange->outputs) throw EngineError({.what = exchange->failure, .why = "", .remedy = ""});
    return *std::exchange(exchange->outputs, std::nullopt);
  };
}

inline void replace_graphs(const BindingPtr& self, std::shared_ptr<ResidentGraphs> graphs) {
  self->binding->set_captured_work(graphs);
  const std::scoped_lock lock(self->mutex);
  self->graphs.swap(graphs);
}

inline void enable_graphs(const BindingPtr& self, bool views, bool tune) {
  replace_graphs(self, std::make_shared<ResidentGraphs>(*self->binding, graph_options(views, tune)));
}

inline void disable_graphs(const BindingPtr& self) { replace_graphs(self, nullptr); }

inline std::shared_ptr<ResidentGraphs> graphs_of(const BindingPtr& self) {
  const std::scoped_lock lock(self->mutex);
  return self->graphs;
}

inline std::optional<ReportTuple> module_graphs(const BindingPtr& self) {
  const auto graphs = graphs_of(self);
  if (!graphs) return std::nullopt;
  return as_tuple(graphs->report());
}

// Runs one call of a module with graphs, within `call`.
inline std::vector<at::Tensor> run_graphs(const BindingPtr& self, const c10::intrusive_ptr<CallObject>& call,
                                          const ExchangePtr& exchange, int64_t function, int64_t key,
                                          const std::vector<at::Tensor>& inputs, int64_t variant) {
  const auto graphs = graphs_of(self);
  TORCH_CHECK_VALUE(call->call, "run_graphs: the call is over");
  const auto model = python_model(exchange, function, key);
  if (!graphs) return model(inputs);  // switched off a moment ago
  return graphs->run(*call->call, inputs, {.variant = variant}, model);
}

// Sets the engine's deadline; 0: not urgent.
inline void set_urgent(const EnginePtr& self, double deadline_ms) {
  using Milliseconds = std::chrono::duration<double, std::milli>;
  // The limit is a day. Five deadlines of a day still fit into nanoseconds.
  TORCH_CHECK_VALUE(deadline_ms >= 0 && deadline_ms <= 86'400'000.0, "a deadline of ", deadline_ms,
                    " ms: give a positive number, a day at most, or None");
  std::optional<std::chrono::nanoseconds> deadline;
  if (deadline_ms > 0) deadline = std::chrono::duration_cast<std::chrono::nanoseconds>(Milliseconds(deadline_ms));
  self->engine->set_urgent(deadline);
}

// Sets the engine's gates; a longest slice of 0: the shortest slices that cost little.
inline void set_gates(const EnginePtr& self, bool on, double longest_us) {
  using Microseconds = std::chrono::duration<double, std::micro>;
  TORCH_CHECK_VALUE(longest_us >= 0 && longest_us <= 1e6, "gates: ", longest_us, " us is no time up to a second");
  SliceOptions options;
  if (longest_us > 0) options.longest = std::chrono::duration_cast<std::chrono::nanoseconds>(Microseconds(longest_us));
  self->engine->set_gates(on ? std::optional(options) : std::nullopt);
}

// Returns the number of urgent calls that closed the gate; the number of times that best-effort work was held; the
// total and longest time held, in microseconds; and the number of urgent calls that were let go of.
inline std::tuple<int64_t, int64_t, double, double, int64_t> gate_report(const std::string& device) {
  using Microseconds = std::chrono::duration<double, std::micro>;
  const auto report = Gate::of(Device::open(device))->report();
  return {static_cast<int64_t>(report.passes), static_cast<int64_t>(report.held),
          Microseconds(report.held_time).count(), Microseconds(report.longest_held).count(),
          static_cast<int64_t>(report.limits_hit)};
}

inline PipelineGraphPtr capture_pipeline(const std::string& device, const std::vector<at::Tensor>& inputs,
                                         const ExchangePtr& exchange, int64_t function, int64_t key, bool views) {
  return c10::make_intrusive<PipelineGraphObject>(
      PipelineGraph::capture(Device::open(device), inputs, python_model(exchange, function, key),
                             views ? GraphOutputs::views : GraphOutputs::copies));
}

}  // namespace greenlane::bindings
