// Everything that greenlane registers with PyTorch: torch.classes.greenlane.* and torch.ops.greenlane.*.
// Registration only: what the entries do stands in the libraries below.
#include <greenlane/core/binding.hpp>
#include <greenlane/core/device.hpp>
#include <greenlane/core/lane.hpp>
#include <greenlane/torch/aoti.hpp>

#include <torch/custom_class.h>
#include <torch/library.h>

#include <atomic>

namespace {

using greenlane::Device;

struct DeviceInfoObject final : torch::CustomClassHolder {
  explicit DeviceInfoObject(greenlane::DeviceInfo device_info) : info(std::move(device_info)) {}
  greenlane::DeviceInfo info;
};

struct LaneObject final : torch::CustomClassHolder {
  explicit LaneObject(greenlane::Lane object) : lane(std::move(object)) {}
  greenlane::Lane lane;
};

struct EngineObject final : torch::CustomClassHolder {
  explicit EngineObject(std::shared_ptr<greenlane::AotiEngine> object) : engine(std::move(object)) {}
  std::shared_ptr<greenlane::AotiEngine> engine;
};

using LanePtr = c10::intrusive_ptr<LaneObject>;
using EnginePtr = c10::intrusive_ptr<EngineObject>;

// A request of -1 units stands for `rest`.
std::vector<LanePtr> partition(const std::string& device, const std::vector<std::string>& names,
                               const std::vector<int64_t>& units) {
  TORCH_CHECK_VALUE(names.size() == units.size(), "partition: ", names.size(), " names and ", units.size(), " sizes");
  std::vector<greenlane::PartitionRequest> requests;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto request =
        units[i] == -1 ? greenlane::UnitRequest(greenlane::rest) : greenlane::UnitRequest(static_cast<int>(units[i]));
    requests.push_back({.name = names[i], .units = request});
  }
  std::vector<LanePtr> lanes;
  for (const auto& lane : Device::open(device).partition(requests))
    lanes.push_back(c10::make_intrusive<LaneObject>(lane));
  return lanes;
}

LanePtr whole_device_lane(const std::string& device, const std::string& name, std::optional<int64_t> priority) {
  greenlane::LaneOptions options{.name = name, .priority = {}};
  if (priority) options.priority = static_cast<int>(*priority);
  return c10::make_intrusive<LaneObject>(greenlane::Lane::create(Device::open(device), options));
}

std::vector<c10::intrusive_ptr<DeviceInfoObject>> devices() {
  std::vector<c10::intrusive_ptr<DeviceInfoObject>> all;
  for (auto& info : Device::enumerate()) all.push_back(c10::make_intrusive<DeviceInfoObject>(std::move(info)));
  return all;
}

EnginePtr load_aoti(const std::string& path, const std::optional<LanePtr>& lane,
                    const std::optional<std::string>& device, const std::string& name, const std::string& model,
                    int64_t num_runners) {
  greenlane::AotiOptions options{.name = name, .model = model, .num_runners = static_cast<std::size_t>(num_runners)};
  if (lane) options.lane = (*lane)->lane;
  if (device) options.device = greenlane::DeviceId::parse(*device);
  return c10::make_intrusive<EngineObject>(greenlane::load_aoti(path, std::move(options)));
}

std::optional<LanePtr> lane_of(const EnginePtr& self) {
  const auto lane = self->engine->lane();
  if (!lane) return std::nullopt;
  return c10::make_intrusive<LaneObject>(*lane);
}

// A raw handle, reinterpret_cast<int64_t>(cudaStream_t), that outlives the binding.
void set_external_stream(const EnginePtr& self, int64_t handle) {
  self->engine->bind(greenlane::StreamView::from_value(handle));
}

// Whether Python can still be called: streams may be let go of by destructors that run after it has ended.
std::atomic<bool> python_ended{false};

// A stream whose owner lives elsewhere, in Python: `release(key)` is called when nobody needs it any more, by any
// thread.
void hold_external_stream(const EnginePtr& self, int64_t handle, int64_t key, int64_t release) {
  auto* const let_go = reinterpret_cast<void (*)(int64_t)>(release);  // NOLINT(performance-no-int-to-ptr)
  auto held = std::shared_ptr<int64_t>(new int64_t(key), [let_go](const int64_t* owned) {
    if (!python_ended) let_go(*owned);
    delete owned;
  });
  self->engine->bind(greenlane::StreamView::from_value(handle), std::move(held));
}

// 0 where nothing is bound; is_external_stream_set() tells that apart.
int64_t external_stream_of(const EnginePtr& self) {
  const auto lane = self->engine->lane();
  if (!lane || self->engine->device().id().kind == greenlane::DeviceKind::cpu) return 0;
  return lane->stream().value();
}

std::vector<int64_t> cpus_of(const LanePtr& self) {
  const auto partition = self->lane.partition();
  if (!partition) return {};
  return {partition->cpus().begin(), partition->cpus().end()};
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

  m.class_<LaneObject>("Lane")
      .def("name", [](const LanePtr& self) { return self->lane.name(); })
      .def("device", [](const LanePtr& self) { return to_string(self->lane.device().id()); })
      .def("units", [](const LanePtr& self) -> int64_t { return self->lane.units().count; })
      .def("cpus", cpus_of)
      .def("stream", [](const LanePtr& self) { return self->lane.stream().value(); })
      .def("keep_stream", [](const LanePtr& self) { self->lane.keep_stream(); })
      .def("synchronize", [](const LanePtr& self) { self->lane.synchronize(); })
      .def("close", [](const LanePtr& self) { self->lane.close(); })
      .def("is_closed", [](const LanePtr& self) { return self->lane.is_closed(); });

  m.class_<EngineObject>("Engine")
      .def("name", [](const EnginePtr& self) { return self->engine->name(); })
      .def("device", [](const EnginePtr& self) { return to_string(self->engine->device().id()); })
      .def("run",
           [](const EnginePtr& self, const std::vector<at::Tensor>& inputs) { return self->engine->run(inputs); })
      .def("bind", [](const EnginePtr& self, const LanePtr& lane) { self->engine->bind(lane->lane); })
      .def("unbind", [](const EnginePtr& self) { self->engine->unbind(); })
      .def("set_external_stream", set_external_stream)
      .def("hold_external_stream", hold_external_stream)
      .def("clear_external_stream", [](const EnginePtr& self) { self->engine->unbind(); })
      .def("get_external_stream", external_stream_of)
      .def("is_external_stream_set", [](const EnginePtr& self) { return self->engine->lane().has_value(); })
      .def("lane", lane_of)
      .def("call_spec", [](const EnginePtr& self) { return self->engine->call_spec(); });

  m.def("set_engine_stream_passthrough(bool on) -> ()", [](bool on) { greenlane::set_engine_stream_passthrough(on); });
  m.def("get_engine_stream_passthrough() -> bool", [] { return greenlane::engine_stream_passthrough(); });
  m.def("end_python() -> ()", [] { python_ended = true; });
  m.def("devices() -> __torch__.torch.classes.greenlane.DeviceInfo[]", devices);
  m.def("partition(str device, str[] names, int[] units) -> __torch__.torch.classes.greenlane.Lane[]", partition);
  m.def("whole_device_lane(str device, str name, int? priority) -> __torch__.torch.classes.greenlane.Lane",
        whole_device_lane);
  m.def(
      "load_aoti(str path, __torch__.torch.classes.greenlane.Lane? lane, str? device, str name, str model, int "
      "num_runners) "
      "-> __torch__.torch.classes.greenlane.Engine",
      load_aoti);
}
