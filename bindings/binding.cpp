#include "binding.hpp"

#include "engine_options.hpp"
#include "exchange.hpp"
#include "graph_report.hpp"
#include "lane.hpp"
#include "pending.hpp"
#include "python_end.hpp"
#include "text/duration.hpp"

#include <torch/library.h>

#include <chrono>
#include <sstream>
#include <string>
#include <tuple>
#include <utility>

namespace greenlane::bindings {
namespace {

using CallPtr = c10::intrusive_ptr<CallObject>;
using FormerPtr = c10::intrusive_ptr<FormerObject>;

std::optional<LanePtr> lane_of(const BindingPtr& self) {
  const auto lane = self->binding->lane();
  if (!lane) return std::nullopt;
  return c10::make_intrusive<LaneObject>(*lane);
}

// Returns the handle of the bound stream; None if nothing is bound, and on the CPU.
std::optional<int64_t> stream_of(const BindingPtr& self) {
  const auto stream = self->binding->stream();
  if (!stream) return std::nullopt;
  return stream->value();
}

void use_graphs(const BindingPtr& self, const std::optional<GraphOptions>& options) {
  auto graphs = self->calls->use_graphs(options);
  if (self->is_module) self->binding->set_captured_work(std::move(graphs));
}

// Replays calls from graphs from now on, with new graphs.
void enable_graphs(const BindingPtr& self, bool views, bool tune) {
  const GraphOptions options{.outputs = views ? GraphOutputs::views : GraphOutputs::copies, .tune_kernels = tune};
  use_graphs(self, options);
}

void disable_graphs(const BindingPtr& self) { use_graphs(self, std::nullopt); }

void set_urgent(const BindingPtr& self, std::optional<double> deadline_ms) {
  self->calls->set_urgent(deadline_of(deadline_ms));
}

void set_gates(const BindingPtr& self, const std::string& gates) { self->calls->set_gates(slices_of(gates)); }

void retune(const BindingPtr& self) {
  if (const auto graphs = self->calls ? self->calls->graphs() : nullptr) graphs->retune();
}

// Returns views and tune; None without graphs.
std::optional<std::tuple<bool, bool>> graph_choice(const BindingPtr& self) {
  const auto graphs = self->calls->choices().graphs;
  if (!graphs) return std::nullopt;
  return std::tuple(graphs->outputs == GraphOutputs::views, graphs->tune_kernels);
}

// Returns the deadline in milliseconds.
std::optional<double> urgent_choice(const BindingPtr& self) {
  const auto urgent = self->calls->choices().urgent;
  if (!urgent) return std::nullopt;
  return std::chrono::duration<double, std::milli>(*urgent).count();
}

std::string gates_choice(const BindingPtr& self) {
  const auto gates = self->calls->choices().gates;
  if (!gates) return "off";
  if (!gates->longest) return "auto";
  std::ostringstream written;
  written << text::to_microseconds(*gates->longest) << "us";
  return written.str();
}

std::optional<GraphReportPtr> graph_report(const BindingPtr& self) {
  const auto graphs = self->calls ? self->calls->graphs() : nullptr;
  return as_object(graphs ? std::optional(graphs->report()) : std::nullopt);
}

// Submits `function(key)` to the lane of a module's binding; calls it in place if nothing is bound.
PendingPtr submit_to_lane(const BindingPtr& self, int64_t function, int64_t key) {
  const WayBack way_back;
  auto* const work = reinterpret_cast<void (*)(int64_t)>(function);  // NOLINT(performance-no-int-to-ptr)
  auto pending = c10::make_intrusive<PendingObject>();
  pending->work = submit_on_cpu(*self->binding, [work, key] { call_python(work, key); });
  return pending;
}

CallPtr enter(const BindingPtr& self, const std::vector<at::Tensor>& inputs) {
  const WayBack way_back;
  return c10::make_intrusive<CallObject>(self, inputs);
}

// Closes the gate for a call that runs as it is, if the module is urgent.
void close_gate(const CallPtr& self) {
  const WayBack way_back;
  if (!self->call || self->pass) return;
  if (auto pass = self->binding->calls->pass(*self->call)) self->pass.emplace(std::move(*pass));
}

// Runs a module with graphs, within the call.
std::vector<at::Tensor> run_graphs(const CallPtr& self, const ExchangePtr& exchange,
                                   const std::vector<at::Tensor>& inputs, int64_t variant) {
  TORCH_CHECK_VALUE(self->call, "run_graphs: the call is over");
  return self->binding->calls->run(*self->call, inputs, {.variant = variant}, model_of(exchange));
}

// Frees the graphs of calls of this variant.
void forget_variant(const CallPtr& self, int64_t variant) {
  const WayBack way_back;
  if (const auto graphs = self->binding->calls->graphs()) graphs->forget(variant);
}

void finish_call(const CallPtr& self, const std::vector<at::Tensor>& outputs) {
  const WayBack way_back;
  if (self->call && self->pass) self->pass->enqueued(*self->call);
  self->pass.reset();
  if (self->call) self->call->finish(outputs);
  self->call.reset();
}

BindingPtr module_binding(const std::string& device, const std::string& owner) {
  struct ModuleBinding {
    ModuleBinding(const Device& on, const std::string& name) : binding(on, name) {}
    StreamBinding binding;
    detail::EngineCalls calls{binding};
  };
  const auto made = std::make_shared<ModuleBinding>(Device::open(device), owner);
  auto object = c10::make_intrusive<BindingObject>(std::shared_ptr<StreamBinding>(made, &made->binding),
                                                   std::shared_ptr<detail::EngineCalls>(made, &made->calls));
  object->is_module = true;
  return object;
}

FormerPtr bind_together(const std::vector<BindingPtr>& bindings, const std::vector<LanePtr>& lanes) {
  TORCH_CHECK_VALUE(bindings.size() == lanes.size(), "bind_all: ", bindings.size(), " bindings and ", lanes.size(),
                    " lanes");
  std::vector<BindingRequest> requests;
  for (std::size_t i = 0; i < lanes.size(); ++i)
    requests.push_back({.binding = bindings[i]->binding.get(), .lane = lanes[i]->lane});
  auto former = c10::make_intrusive<FormerObject>();
  former->bindings = bindings;
  former->former = bind_all(requests);
  return former;
}

void restore(const FormerPtr& self) {
  restore_all(self->former);
  self->former.clear();
  self->bindings.clear();
}

}  // namespace

void register_binding(torch::Library& library) {
  library.class_<CallObject>("Call")
      .def("close_gate", close_gate)
      .def("run_graphs", run_graphs)
      .def("forget", forget_variant)
      .def("finish", finish_call);
  library.class_<BindingObject>("Binding")
      .def("name", [](const BindingPtr& self) { return self->binding->owner(); })
      .def("device", [](const BindingPtr& self) { return to_string(self->binding->device().id()); })
      .def("generation", [](const BindingPtr& self) { return static_cast<int64_t>(self->binding->generation()); })
      .def("identity", [](const BindingPtr& self) { return reinterpret_cast<int64_t>(self->binding.get()); })
      .def("is_set", [](const BindingPtr& self) { return self->binding->is_set(); })
      .def("stream", stream_of)
      .def("lane", lane_of)
      .def("clear", [](const BindingPtr& self) { self->binding->clear(); })
      .def("submit", submit_to_lane)
      .def("enter", enter)
      .def("enable_graphs", enable_graphs)
      .def("disable_graphs", disable_graphs)
      .def("set_urgent", set_urgent)
      .def("set_gates", set_gates)
      .def("retune", retune)
      .def("has_choices", [](const BindingPtr& self) { return self->calls != nullptr; })
      .def("graph_choice", graph_choice)
      .def("urgent_choice", urgent_choice)
      .def("gates_choice", gates_choice)
      .def("graphs", graph_report);
  library.class_<FormerObject>("Former").def("restore", restore);
  library.def("module_binding(str device, str owner) -> __torch__.torch.classes.greenlane.Binding", module_binding);
  library.def(
      "bind_all(__torch__.torch.classes.greenlane.Binding[] bindings, __torch__.torch.classes.greenlane.Lane[] lanes) "
      "-> __torch__.torch.classes.greenlane.Former",
      bind_together);
}

}  // namespace greenlane::bindings
