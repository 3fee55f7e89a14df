#include "pipeline.hpp"

#include "engine_options.hpp"
#include "interrupt.hpp"
#include "lane.hpp"
#include "misses.hpp"
#include "module.hpp"
#include "pipeline_call.hpp"
#include "pipeline_edges.hpp"
#include "pipeline_run.hpp"
#include "pipeline_stats.hpp"
#include "python_end.hpp"
#include "refusal.hpp"

#include <greenlane/detail/runtime/open_pipeline.hpp>

#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <optional>
#include <string>
#include <tuple>
#include <vector>

namespace greenlane::bindings {

namespace {

// Returns the pipeline; nothing after Ctrl-C.
std::optional<PipelinePtr> open(const std::string& config, const std::string& plan, const std::string& mode,
                                bool plan_of_another_device, const std::optional<MissesPtr>& misses,
                                const std::vector<ModulePtr>& modules, const std::optional<std::string>& metrics) {
  PipelineOptions options{
      .plan = plan, .plan_of_another_device = plan_of_another_device, .mode = mode, .on_miss = {}, .metrics = metrics};
  if (misses)
    options.on_miss = [misses = *misses](const Miss& miss) { misses->mailbox.put(miss, MissesObject::kMost); };
  return interruptible([&](const std::atomic<bool>* stop) {
    return c10::make_intrusive<PipelineObject>(runtime::open_pipeline(config, options, loader_of(modules), *stop));
  });
}

PipelineEnginePtr engine(const PipelinePtr& self, const std::string& name) {
  return c10::make_intrusive<PipelineEngineObject>(self->pipeline[name]);
}

Refusal start(const PipelinePtr& self) {
  return refusal_in([&] { self->pipeline.start(); });
}

void close(const PipelinePtr& self) {
  const WayBack way_back;
  self->pipeline.close();
}

// Each of the following returns an outcome, which means nothing if there is a refusal, and the refusal.

std::tuple<std::vector<at::Tensor>, Refusal> call(const PipelineEnginePtr& self,
                                                  const std::vector<at::Tensor>& inputs) {
  const WayBack way_back;
  std::vector<at::Tensor> outputs;
  auto refusal = refusal_in([&] { outputs = self->engine.call(inputs); });
  return {std::move(outputs), std::move(refusal)};
}

// Begins a call on a CPU, for Python's main thread.
std::tuple<std::optional<PipelineCallPtr>, Refusal> begin_call(const PipelineEnginePtr& self,
                                                               const std::vector<at::Tensor>& inputs) {
  const WayBack way_back;
  std::optional<PipelineCallPtr> call;
  auto refusal = refusal_in([&] { call = c10::make_intrusive<PipelineCallObject>(self->engine, inputs); });
  return {std::move(call), std::move(refusal)};
}

std::tuple<std::optional<PipelineRunPtr>, Refusal> submit_request(const PipelineEnginePtr& self,
                                                                  const std::vector<at::Tensor>& inputs,
                                                                  std::optional<double> deadline_ms, bool drop_if_late,
                                                                  std::int64_t priority) {
  const WayBack way_back;
  std::optional<PipelineRunPtr> run;
  auto refusal = refusal_in([&] {
    run = c10::make_intrusive<PipelineRunObject>(
        self->engine.submit(inputs, {.deadline = deadline_of(deadline_ms),
                                     .drop_if_late = drop_if_late,
                                     .priority = static_cast<std::uint32_t>(priority)}));
  });
  return {std::move(run), std::move(refusal)};
}

// Returns whether it ran, and the refusal.
std::tuple<bool, Refusal> trigger(const PipelineEnginePtr& self) {
  const WayBack way_back;
  bool ran = false;
  auto refusal = refusal_in([&] { ran = self->engine.trigger(); });
  return {ran, std::move(refusal)};
}

Refusal recapture(const PipelineEnginePtr& self) {
  const WayBack way_back;
  return refusal_in([&] { runtime::recapture(self->engine); });
}

std::tuple<std::optional<LanePtr>, Refusal> lane(const PipelineEnginePtr& self) {
  std::optional<LanePtr> found;
  auto refusal = refusal_in([&] { found = c10::make_intrusive<LaneObject>(self->engine.lane()); });
  return {std::move(found), std::move(refusal)};
}

// Returns, for each tensor, an empty tensor of its dtype, its smallest sizes and its largest ones.
using TensorSpecs =
    std::tuple<std::vector<at::Tensor>, std::vector<std::vector<int64_t>>, std::vector<std::vector<int64_t>>>;
TensorSpecs parts_of(const std::vector<TensorSpec>& specs) {
  TensorSpecs parts;
  auto& [dtypes, smallest, largest] = parts;
  for (const auto& spec : specs) {
    dtypes.push_back(at::empty({0}, spec.dtype.value()));
    smallest.emplace_back();
    largest.emplace_back();
    for (const auto& dimension : spec.dimensions) {
      smallest.back().push_back(dimension.smallest);
      largest.back().push_back(dimension.largest);
    }
  }
  return parts;
}

}  // namespace

void register_pipeline(torch::Library& library) {
  library.class_<PipelineEngineObject>("PipelineEngine")
      .def("name", [](const PipelineEnginePtr& self) { return self->engine.name(); })
      .def("lane", lane)
      .def("call", call)
      .def("begin_call", begin_call)
      .def("submit", submit_request)
      .def("trigger", trigger)
      .def("recapture", recapture)
      .def("inputs", [](const PipelineEnginePtr& self) { return parts_of(self->engine.inputs()); })
      .def("outputs", [](const PipelineEnginePtr& self) { return parts_of(self->engine.outputs()); })
      .def("call_spec", [](const PipelineEnginePtr& self) { return self->engine.call_spec(); });
  library.class_<PipelineObject>("Pipeline")
      .def("engine", engine)
      .def("engines", [](const PipelinePtr& self) { return self->pipeline.engines(); })
      .def("sources", [](const PipelinePtr& self) { return self->pipeline.sources(); })
      .def("source",
           [](const PipelinePtr& self, const std::string& name) {
             return c10::make_intrusive<PipelineSourceObject>(self->pipeline.source(name));
           })
      .def("sink",
           [](const PipelinePtr& self, const std::string& name) {
             return c10::make_intrusive<PipelineSinkObject>(self->pipeline.sink(name));
           })
      .def("reset",
           [](const PipelinePtr& self) {
             const WayBack way_back;
             self->pipeline.reset();
           })
      .def("start", start)
      .def("stop",
           [](const PipelinePtr& self) {
             const WayBack way_back;
             self->pipeline.stop();
           })
      .def("stats", [](const PipelinePtr& self) { return as_json(self->pipeline.stats()); })
      .def("metrics_text", [](const PipelinePtr& self) { return self->pipeline.metrics_text(); })
      .def("metrics_address", [](const PipelinePtr& self) { return self->pipeline.metrics_address(); })
      .def("close", close)
      .def("is_closed", [](const PipelinePtr& self) { return self->pipeline.is_closed(); });
  library.def(
      "open_pipeline(str config, str plan, str mode, bool plan_of_another_device, "
      "__torch__.torch.classes.greenlane.Misses? misses, __torch__.torch.classes.greenlane.Module[] modules, "
      "str? metrics) -> "
      "__torch__.torch.classes.greenlane.Pipeline?",
      open);
}

}  // namespace greenlane::bindings
