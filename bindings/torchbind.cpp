// Registers torch.classes.greenlane.* and torch.ops.greenlane.* with PyTorch. The functions' bodies are in the headers
// beside this file, or in the libraries below.
#include "audit_entries.hpp"
#include "graph_entries.hpp"
#include "lane_entries.hpp"
#include "objects.hpp"
#include "pending_entries.hpp"
#include "planning_entries.hpp"

#include <greenlane/core/hardware_queues.hpp>
#include <greenlane/torch/bindable.hpp>
#include <greenlane/torch/tensorrt.hpp>

#include <torch/library.h>

#include <filesystem>
#include <tuple>

namespace greenlane::bindings {
namespace {

EnginePtr load(EngineSource source, AotiOptions options) {
  options.name = source.name;
  options.model = source.model;
  options.num_runners = static_cast<std::size_t>(source.num_runners);
  options.graphs = source.resident ? Graphs::resident : Graphs::off;
  options.graph_options = graph_options(source.views, source.tune);
  options.stateful = source.stateful;
  auto engine = greenlane::load_aoti(source.path, std::move(options));
  return c10::make_intrusive<EngineObject>(std::move(source), std::move(engine));
}

EnginePtr load_aoti(const std::string& path, const std::optional<LanePtr>& lane,
                    const std::optional<std::string>& device, const std::string& name, const std::string& model,
                    int64_t num_runners, bool resident, bool views, bool tune, bool stateful) {
  AotiOptions options;
  if (lane) options.lane = (*lane)->lane;
  if (device) options.device = DeviceId::parse(*device);
  // "" and a path without an absolute form stay as they are: loading reports the reason.
  std::error_code error;
  const auto absolute = std::filesystem::absolute(path, error).string();
  return load({.path = error ? path : absolute,
               .name = name,
               .model = model,
               .num_runners = num_runners,
               .resident = resident,
               .views = views,
               .tune = tune,
               .stateful = stateful},
              std::move(options));
}

// Path, name, model, device; then number of runners, resident, views, tune and stateful.
using EngineState = std::tuple<std::string, std::string, std::string, std::string, std::vector<int64_t>>;

EngineState state_of(const EnginePtr& self) {
  const auto& [path, name, model, num_runners, resident, views, tune, stateful] = self->source;
  return {path, name, model, to_string(self->engine->device().id()), {num_runners, resident, views, tune, stateful}};
}

EnginePtr from_state(EngineState state) {
  auto& [path, name, model, device, numbers] = state;
  AotiOptions options;
  options.device = DeviceId::parse(device);
  return load({.path = path,
               .name = name,
               .model = model,
               .num_runners = numbers.at(0),
               .resident = numbers.at(1) != 0,
               .views = numbers.at(2) != 0,
               .tune = numbers.at(3) != 0,
               .stateful = numbers.size() > 4 && numbers[4] != 0},  // older pickles do not say
              std::move(options));
}

BindingPtr binding_of(const EnginePtr& self) {
  return c10::make_intrusive<BindingObject>(std::shared_ptr<StreamBinding>(self->engine, &self->engine->binding()));
}

// Returns the engines inside a package: their keys and, in the same order, their bindings, which have their names.
std::tuple<std::vector<std::string>, std::vector<BindingPtr>> inner_engines(const EnginePtr& self) {
  std::vector<std::string> keys;
  std::vector<BindingPtr> bindings;
  for (auto& inner : self->engine->inner_engines()) {
    keys.push_back(std::move(inner.key));
    bindings.push_back(c10::make_intrusive<BindingObject>(std::move(inner.binding)));
  }
  return {std::move(keys), std::move(bindings)};
}

// Returns one binding or none, in the form that the operators below return.
c10::List<BindingPtr> as_list(std::shared_ptr<StreamBinding> binding) {
  const c10::List<BindingPtr> list;  // a handle: its content may change
  if (binding) list.push_back(c10::make_intrusive<BindingObject>(std::move(binding)));
  return list;
}

// Operators on objects of any class are boxed, because no typed kernel takes `Any`.

// binding_of(Any object, bool make) -> Binding[]: returns the object's one binding; none if it cannot have one, or if
// it was never given one and `make` is false.
void binding_of_any(const c10::OperatorHandle& /*op*/, torch::jit::Stack* stack) {
  const bool make = torch::jit::pop(*stack).toBool();
  const auto object = torch::jit::pop(*stack);
  stack->emplace_back(as_list(find_bindable(object, make)));
}

// forget_graphs(Any object) -> (): does nothing for an object of another class than torch.classes.tensorrt.Engine.
void forget_graphs_any(const c10::OperatorHandle& /*op*/, torch::jit::Stack* stack) {
  const auto object = torch::jit::pop(*stack);
  const auto type = object.isObject() ? object.type()->cast<c10::ClassType>() : nullptr;
  if (type && type->name() && type->name()->qualifiedName() == tensorrt::kEngineClass) tensorrt::forget_graphs(object);
}

c10::List<BindingPtr> python_engine_binding(int64_t id, const std::string& device, const std::string& name,
                                            bool multi_device, bool auxiliary_streams, bool make) {
  return as_list(tensorrt::python_engine_binding(id,
                                                 {.name = name,
                                                  .device = DeviceId::parse(device),
                                                  .needs_multi_device = multi_device,
                                                  .may_have_auxiliary_streams = auxiliary_streams},
                                                 make));
}

// is_bindable(Any object) -> bool
void is_bindable_any(const c10::OperatorHandle& /*op*/, torch::jit::Stack* stack) {
  stack->back() = is_bindable(stack->back());
}

// bindable_attributes(Any module) -> str[]: returns the names of a script module's attributes that can be bound.
void bindable_attributes(const c10::OperatorHandle& /*op*/, torch::jit::Stack* stack) {
  const auto object = torch::jit::pop(*stack).toObject();
  c10::List<std::string> names;
  const auto type = object->type();
  for (std::size_t i = 0; i < type->numAttributes(); ++i) {
    if (is_bindable(object->getSlot(i))) names.push_back(type->getAttributeName(i));
  }
  stack->emplace_back(std::move(names));
}

// Returns the handle of the bound stream; 0 if nothing is bound, and on the CPU. is_set() tells the two apart.
int64_t stream_of(const StreamBinding& binding) {
  const auto stream = binding.stream();
  return stream ? stream->value() : 0;
}

std::optional<LanePtr> lane_of(const BindingPtr& self) {
  const auto lane = self->binding->lane();
  if (!lane) return std::nullopt;
  return c10::make_intrusive<LaneObject>(*lane);
}

void finish(const c10::intrusive_ptr<CallObject>& self, const std::vector<at::Tensor>& outputs) {
  const WayBack way_back;
  if (self->call) self->call->finish(outputs);
  self->call.reset();
}

c10::intrusive_ptr<FormerObject> bind_together(const std::vector<BindingPtr>& bindings,
                                               const std::vector<LanePtr>& lanes) {
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

void restore(const c10::intrusive_ptr<FormerObject>& self) {
  restore_all(self->former);
  self->former.clear();
  self->bindings.clear();
}

}  // namespace

TORCH_LIBRARY(greenlane, m) {
  m.class_<DeviceInfoObject>("DeviceInfo")
      .def("id", [](const c10::intrusive_ptr<DeviceInfoObject>& self) { return to_string(self->info.id); })
      .def("name", [](const c10::intrusive_ptr<DeviceInfoObject>& self) { return self->info.name; })
      .def("units", [](const c10::intrusive_ptr<DeviceInfoObject>& self) -> int64_t { return self->info.units.count; })
      .def("granularity",
           [](const c10::intrusive_ptr<DeviceInfoObject>& self) -> int64_t { return self->info.granularity.count; })
      .def("remainder",
           [](const c10::intrusive_ptr<DeviceInfoObject>& self) -> int64_t { return self->info.remainder.count; })
      .def("obstacle", [](const c10::intrusive_ptr<DeviceInfoObject>& self) { return self->info.partition_obstacle; });

  m.class_<PendingObject>("Pending")
      .def("address", address_of)
      .def("cancel", cancel_pending)
      .def("finish", finish_pending);

  m.class_<LaneObject>("Lane")
      .def("name", [](const LanePtr& self) { return self->lane.name(); })
      .def("device", [](const LanePtr& self) { return to_string(self->lane.device().id()); })
      .def("units", [](const LanePtr& self) -> int64_t { return self->lane.units().count; })
      .def("cpus", cpus_of)
      .def("stream", [](const LanePtr& self) { return self->lane.stream().value(); })
      .def("keep_stream", [](const LanePtr& self) { self->lane.keep_stream(); })
      .def("submit", submit_nothing)
      .def("close", [](const LanePtr& self) { self->lane.close(); })
      .def("is_closed", [](const LanePtr& self) { return self->lane.is_closed(); });

  m.class_<CallObject>("Call").def("finish", finish);

  m.class_<ExchangeObject>("Exchange")
      .def(torch::init<>())
      .def("inputs", [](const ExchangePtr& self) { return self->inputs; })
      .def("give", [](const ExchangePtr& self, std::vector<at::Tensor> outputs) { self->outputs = std::move(outputs); })
      .def("fail", [](const ExchangePtr& self, std::string failure) { self->failure = std::move(failure); });

  m.class_<PipelineGraphObject>("PipelineGraph")
      .def("run",
           [](const PipelineGraphPtr& self, const std::vector<at::Tensor>& inputs) { return self->graph->run(inputs); })
      .def("bytes", [](const PipelineGraphPtr& self) { return static_cast<int64_t>(self->graph->bytes()); });

  m.class_<BindingObject>("Binding")
      .def("name", [](const BindingPtr& self) { return self->binding->owner(); })
      .def("device", [](const BindingPtr& self) { return to_string(self->binding->device().id()); })
      .def("generation", [](const BindingPtr& self) { return static_cast<int64_t>(self->binding->generation()); })
      .def("identity", [](const BindingPtr& self) { return reinterpret_cast<int64_t>(self->binding.get()); })
      .def("is_set", [](const BindingPtr& self) { return self->binding->is_set(); })
      .def("stream", [](const BindingPtr& self) { return stream_of(*self->binding); })
      .def("lane", lane_of)
      .def("clear", [](const BindingPtr& self) { self->binding->clear(); })
      .def("submit", submit_module)
      .def("enable_graphs", enable_graphs)
      .def("disable_graphs", disable_graphs)
      .def("graphs", module_graphs)
      .def("run_graphs", run_graphs)
      .def("enter", [](const BindingPtr& self, const std::vector<at::Tensor>& inputs) {
        const WayBack way_back;
        return c10::make_intrusive<CallObject>(self, inputs);
      });

  m.class_<AuditObject>("Audit").def(torch::init<>()).def("stop", stop_audit).def("drop", drop_audit);

  m.class_<FormerObject>("Former").def("restore", restore);

  // Methods on streams take and return raw handles, reinterpret_cast<int64_t>(cudaStream_t). A handle must stay valid
  // as long as it is bound.
  m.class_<EngineObject>("Engine")
      .def("name", [](const EnginePtr& self) { return self->engine->name(); })
      .def("device", [](const EnginePtr& self) { return to_string(self->engine->device().id()); })
      .def("run",
           [](const EnginePtr& self, const std::vector<at::Tensor>& inputs) {
             const WayBack way_back;
             return self->engine->run(inputs);
           })
      .def("submit", submit_engine)
      .def("options", [](const EnginePtr& self) { return std::get<4>(state_of(self)); })
      .def("call_spec", [](const EnginePtr& self) { return self->engine->call_spec(); })
      .def("graphs", [](const EnginePtr& self) { return as_tuple(self->engine->graphs()); })
      .def("set_urgent", set_urgent)
      .def("set_gates", set_gates)
      .def("binding", binding_of)
      .def("inner_engines", inner_engines)
      .def("bind", [](const EnginePtr& self, const LanePtr& lane) { self->engine->bind(lane->lane); })
      .def("set_external_stream",
           [](const EnginePtr& self, int64_t handle) {
             self->engine->bind(Lane::adopt(self->engine->device(), StreamView::from_value(handle)));
           })
      .def("clear_external_stream", [](const EnginePtr& self) { self->engine->unbind(); })
      .def("get_external_stream", [](const EnginePtr& self) { return stream_of(self->engine->binding()); })
      .def("is_external_stream_set", [](const EnginePtr& self) { return self->engine->binding().is_set(); })
      .def_pickle([](const EnginePtr& self) { return state_of(self); },
                  [](EngineState state) { return from_state(std::move(state)); });

  m.def("set_engine_stream_passthrough(bool on) -> ()", [](bool on) { set_engine_stream_passthrough(on); });
  m.def("get_engine_stream_passthrough() -> bool", [] { return engine_stream_passthrough(); });
  m.def("end_python() -> ()", [] { python_ended = true; });
  // Returns the number of queues in force, and of streams in use.
  m.def("hardware_queues(str device) -> (int, int)", [](const std::string& device) {
    const auto queues = hardware_queues(DeviceId::parse(device));
    return std::tuple<int64_t, int64_t>(queues.in_force, queues.streams);
  });
  m.def("devices() -> __torch__.torch.classes.greenlane.DeviceInfo[]", devices);
  m.def("partition(str device, str[] names, int[] units) -> __torch__.torch.classes.greenlane.Lane[]", partition);
  m.def("whole_device_lane(str device, str name, int? priority) -> __torch__.torch.classes.greenlane.Lane",
        whole_device_lane);
  m.def("adopt_stream(str device, int handle, int key, int release) -> __torch__.torch.classes.greenlane.Lane",
        adopt_stream);
  m.def(
      "load_aoti(str path, __torch__.torch.classes.greenlane.Lane? lane, str? device, str name, str model, int "
      "num_runners, bool resident=False, bool views=False, bool tune=True, bool stateful=False) "
      "-> __torch__.torch.classes.greenlane.Engine",
      load_aoti);
  m.def(
      "capture_pipeline(str device, Tensor[] inputs, __torch__.torch.classes.greenlane.Exchange exchange, int "
      "function, "
      "int key, bool views) -> __torch__.torch.classes.greenlane.PipelineGraph",
      capture_pipeline);
  m.def("collects_writes() -> bool", [] { return collects_writes(); });
  m.def("note_write(Tensor tensor) -> ()", [](const at::Tensor& tensor) { note_write(tensor); });
  m.def("branch_lane(str device) -> __torch__.torch.classes.greenlane.Lane", [](const std::string& device) {
    return c10::make_intrusive<LaneObject>(greenlane::branch_lane(Device::open(device)));
  });
  m.def("profile_pipeline(str config, float seconds) -> str", profile_pipeline);
  m.def("plan_pipeline(str config, str profile, float margin, bool verify, float seconds, float budget) -> str",
        plan_pipeline);
  m.def("gate_report(str device) -> (int, int, float, float, int)", gate_report);
  m.def("module_binding(str device, str owner) -> __torch__.torch.classes.greenlane.Binding",
        [](const std::string& device, const std::string& owner) {
          return c10::make_intrusive<BindingObject>(std::make_shared<StreamBinding>(Device::open(device), owner));
        });
  m.def("binding_of(Any object, bool make) -> __torch__.torch.classes.greenlane.Binding[]",
        torch::CppFunction::makeFromBoxedFunction<&binding_of_any>());
  m.def(
      "python_engine_binding(int id, str device, str name, bool multi_device, bool auxiliary_streams, bool make) -> "
      "__torch__.torch.classes.greenlane.Binding[]",
      python_engine_binding);
  m.def("forget_python_engine(int id) -> ()", [](int64_t id) { tensorrt::forget_python_engine(id); });
  m.def("forget_graphs(Any object) -> ()", torch::CppFunction::makeFromBoxedFunction<&forget_graphs_any>());
  m.def("is_bindable(Any object) -> bool", torch::CppFunction::makeFromBoxedFunction<&is_bindable_any>());
  m.def("bindable_attributes(Any module) -> str[]", torch::CppFunction::makeFromBoxedFunction<&bindable_attributes>());
  m.def(
      "bind_all(__torch__.torch.classes.greenlane.Binding[] bindings, __torch__.torch.classes.greenlane.Lane[] lanes) "
      "-> __torch__.torch.classes.greenlane.Former",
      bind_together);
}

}  // namespace greenlane::bindings

int greenlane_wait(std::int64_t address, double seconds) {
  const auto* const pending =
      reinterpret_cast<const greenlane::bindings::PendingObject*>(address);  // NOLINT(performance-no-int-to-ptr)
  const std::chrono::duration<double> time(seconds);
  try {
    return pending->wait_for(std::chrono::duration_cast<std::chrono::nanoseconds>(time)) ? 1 : 0;
  } catch (const std::exception&) {
    return 1;  // finish() throws it, too
  }
}
