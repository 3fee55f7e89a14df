// The objects behind the classes under torch.classes.greenlane.
#pragma once

#include <greenlane/core/binding.hpp>
#include <greenlane/core/device.hpp>
#include <greenlane/core/lane.hpp>
#include <greenlane/detail/core/process.hpp>
#include <greenlane/detail/torch/bound_call.hpp>
#include <greenlane/detail/torch/resident_graph.hpp>
#include <greenlane/torch/aoti.hpp>
#include <greenlane/torch/pipeline_graph.hpp>

#include <torch/custom_class.h>

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace greenlane::bindings {

struct DeviceInfoObject final : torch::CustomClassHolder {
  explicit DeviceInfoObject(DeviceInfo device_info) : info(std::move(device_info)) {}
  DeviceInfo info;
};

struct LaneObject final : torch::CustomClassHolder {
  explicit LaneObject(Lane object) : lane(std::move(object)) {}
  Lane lane;
};
using LanePtr = c10::intrusive_ptr<LaneObject>;

// A binding: an engine's, which keeps the engine alive, or a module's own.
struct BindingObject final : torch::CustomClassHolder {
  explicit BindingObject(std::shared_ptr<StreamBinding> object) : binding(std::move(object)) {}
  std::shared_ptr<StreamBinding> binding;
  detail::ForkSafeMutex mutex{};
  std::shared_ptr<ResidentGraphs> graphs;  // a module's, while it has some; under the mutex
};
using BindingPtr = c10::intrusive_ptr<BindingObject>;

// Work on a lane that Python waits for in short steps: see greenlane_wait().
struct PendingObject final : torch::CustomClassHolder {
  std::optional<LaneWork> work;  // a module's, or an empty task to wait for; absent: it was done in place
  std::optional<EngineRun> run;
  [[nodiscard]] bool wait_for(std::chrono::nanoseconds time) const {
    return (!work || work->wait_for(time)) && (!run || run->wait_for(time));
  }
};
using PendingPtr = c10::intrusive_ptr<PendingObject>;

// A call of a module that is under way.
struct CallObject final : torch::CustomClassHolder {
  CallObject(BindingPtr of, const std::vector<at::Tensor>& inputs)
      : binding(std::move(of)), call(std::in_place, *binding->binding, inputs) {}
  BindingPtr binding;
  std::optional<BoundCall> call;
};

// The data exchanged when C++ calls a model in Python: `function(key)` reads the inputs, and gives outputs or a
// failure.
struct ExchangeObject final : torch::CustomClassHolder {
  std::vector<at::Tensor> inputs;
  std::optional<std::vector<at::Tensor>> outputs;
  std::string failure;
};
using ExchangePtr = c10::intrusive_ptr<ExchangeObject>;

struct PipelineGraphObject final : torch::CustomClassHolder {
  explicit PipelineGraphObject(std::shared_ptr<PipelineGraph> object) : graph(std::move(object)) {}
  std::shared_ptr<PipelineGraph> graph;
};
using PipelineGraphPtr = c10::intrusive_ptr<PipelineGraphObject>;

// The former state of several bindings that were bound together.
struct FormerObject final : torch::CustomClassHolder {
  std::vector<BindingPtr> bindings;
  std::vector<FormerBinding> former;
};

// Everything that a package is loaded with, except the lane: a copy of an engine, or one from a file, has no binding.
struct EngineSource {
  std::string path;
  std::string name;
  std::string model;
  std::int64_t num_runners;
  bool resident;  // whether with resident graphs; the next two are their options
  bool views;
  bool tune;
  bool stateful;
};

struct EngineObject final : torch::CustomClassHolder {
  EngineObject(EngineSource from, std::shared_ptr<AotiEngine> object)
      : source(std::move(from)), engine(std::move(object)) {}
  EngineSource source;
  std::shared_ptr<AotiEngine> engine;
};
using EnginePtr = c10::intrusive_ptr<EngineObject>;

}  // namespace greenlane::bindings
