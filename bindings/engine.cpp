#include "engine.hpp"

#include "graph_report.hpp"
#include "lane.hpp"
#include "pending.hpp"
#include "python_end.hpp"

#include <torch/library.h>

#include <filesystem>
#include <optional>
#include <tuple>
#include <vector>

namespace greenlane::bindings {

EngineOptionsObject EngineObject::options() const {
  const std::scoped_lock lock(mutex_);
  return options_;
}

void EngineObject::set_urgent(std::optional<double> deadline_ms) {
  engine->set_urgent(deadline_of(deadline_ms));
  const std::scoped_lock lock(mutex_);
  options_.urgent_ms = deadline_ms;
}

void EngineObject::set_gates(const std::string& gates) {
  engine->set_gates(slices_of(gates));
  const std::scoped_lock lock(mutex_);
  options_.gates = gates;
}

namespace {

using InnerEnginePtr = c10::intrusive_ptr<InnerEngineObject>;

EnginePtr load(const std::string& path, const EngineOptionsPtr& options, const std::optional<LanePtr>& lane,
               const std::optional<std::string>& device) {
  auto all = as_aoti_options(*options);
  if (lane) all.lane = (*lane)->lane;
  if (device) all.device = DeviceId::parse(*device);
  // "" and a path without an absolute form stay as they are: loading reports the reason.
  std::error_code error;
  const auto absolute = std::filesystem::absolute(path, error).string();
  const auto& file = error ? path : absolute;
  return c10::make_intrusive<EngineObject>(file, *options, load_aoti(file, std::move(all)));
}

// Path, device and options.
using EngineState = std::tuple<std::string, std::string, EngineOptionsDict>;

EngineState state_of(const EnginePtr& self) {
  return {self->path, to_string(self->engine->device().id()), as_dict(self->options())};
}

EnginePtr from_state(const EngineState& state) {
  const auto& [path, device, options] = state;
  return load(path, from_dict(options), std::nullopt, device);
}

std::vector<at::Tensor> run(const EnginePtr& self, const std::vector<at::Tensor>& inputs) {
  const WayBack way_back;
  return self->engine->run(inputs);
}

PendingPtr submit_to_engine(const EnginePtr& self, std::vector<at::Tensor> inputs) {
  const WayBack way_back;
  auto pending = c10::make_intrusive<PendingObject>();
  pending->run = self->engine->submit(std::move(inputs));
  return pending;
}

BindingPtr binding_of_engine(const EnginePtr& self) {
  return c10::make_intrusive<BindingObject>(std::shared_ptr<StreamBinding>(self->engine, &self->engine->binding()));
}

std::vector<InnerEnginePtr> inner_engines(const EnginePtr& self) {
  std::vector<InnerEnginePtr> engines;
  for (auto& inner : self->engine->inner_engines())
    engines.push_back(c10::make_intrusive<InnerEngineObject>(
        std::move(inner.key), c10::make_intrusive<BindingObject>(std::move(inner.binding))));
  return engines;
}

// Returns the handle of the bound stream; 0 if nothing is bound, and on the CPU. is_external_stream_set() tells the two
// apart.
int64_t stream_of_engine(const EnginePtr& self) {
  const auto stream = self->engine->binding().stream();
  return stream ? stream->value() : 0;
}

}  // namespace

void register_engine(torch::Library& library) {
  library.class_<InnerEngineObject>("InnerEngine")
      .def("key", [](const InnerEnginePtr& self) { return self->key; })
      .def("binding", [](const InnerEnginePtr& self) { return self->binding; });
  // Methods on streams take and return raw handles, reinterpret_cast<int64_t>(cudaStream_t). A handle must stay valid
  // as long as it is bound.
  library.class_<EngineObject>("Engine")
      .def("name", [](const EnginePtr& self) { return self->engine->name(); })
      .def("device", [](const EnginePtr& self) { return to_string(self->engine->device().id()); })
      .def("run", run)
      .def("submit", submit_to_engine)
      .def("options", [](const EnginePtr& self) { return c10::make_intrusive<EngineOptionsObject>(self->options()); })
      .def("call_spec", [](const EnginePtr& self) { return self->engine->call_spec(); })
      .def("graphs", [](const EnginePtr& self) { return as_object(self->engine->graphs()); })
      .def("set_urgent", [](const EnginePtr& self, std::optional<double> deadline) { self->set_urgent(deadline); })
      .def("retune", [](const EnginePtr& self) { self->engine->retune(); })
      .def("set_gates", [](const EnginePtr& self, const std::string& gates) { self->set_gates(gates); })
      .def("binding", binding_of_engine)
      .def("inner_engines", inner_engines)
      .def("bind", [](const EnginePtr& self, const LanePtr& lane) { self->engine->bind(lane->lane); })
      .def("set_external_stream",
           [](const EnginePtr& self, int64_t handle) {
             self->engine->bind(Lane::adopt(self->engine->device(), StreamView::from_value(handle)));
           })
      .def("clear_external_stream", [](const EnginePtr& self) { self->engine->unbind(); })
      .def("get_external_stream", stream_of_engine)
      .def("is_external_stream_set", [](const EnginePtr& self) { return self->engine->binding().is_set(); })
      .def_pickle([](const EnginePtr& self) { return state_of(self); },
                  [](const EngineState& state) { return from_state(state); });
  library.def(
      "load_aoti(str path, __torch__.torch.classes.greenlane.EngineOptions options, *, "
      "__torch__.torch.classes.greenlane.Lane? lane=None, str? device=None) -> "
      "__torch__.torch.classes.greenlane.Engine",
      load);
}

}  // namespace greenlane::bindings
