#include "runtime/aoti_workload.hpp"
#include "runtime/device_part.hpp"
#include "runtime/placement.hpp"
#include "runtime/plan/planned_device.hpp"
#include "runtime/serving/served_engine.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/detail/runtime/loaded_pipeline.hpp>
#include <greenlane/torch/tensor_io.hpp>

#include <map>
#include <string>
#include <utility>

namespace greenlane::runtime {
namespace {

void load_libraries(const PipelineConfig& config) {
  for (const auto& library : config.libraries) {
    try {
      load_operator_library(library);
    } catch (const ConfigError& error) {
      throw ConfigError({.what = config.file.string() + ": libraries", .why = error.what(), .remedy = ""});
    }
  }
}

std::shared_ptr<Workload> load(const PipelineConfig& config, const EngineConfig& engine, const Device& device,
                               const ModuleLoader& modules) {
  if (engine.module.empty()) return make_aoti_workload(config, engine, device);
  if (modules) return modules(config, engine, device);
  throw ConfigError({.what = config.file.string() + ": engine." + engine.name,
                     .why = "it runs module '" + engine.module + "', which only a Python program has",
                     .remedy = "open the pipeline with greenlane.Pipeline(..., modules={'" + engine.module +
                               "': ...}), or export the module to a package"});
}

std::shared_ptr<Tenant> make_tenant(const TenantConfig& config) {
  return std::make_shared<Tenant>(TenantOptions{.name = config.name,
                                                .weight = config.weight,
                                                .waiting = config.request_queue,
                                                .rate_hz = config.rate_hz,
                                                .burst = config.burst});
}

std::optional<BatchLimits> limits_of(const EngineConfig& engine) {
  if (!engine.batch) return std::nullopt;
  return BatchLimits{.rows = engine.batch->most(), .delay = engine.batch->delay};
}

}  // namespace

LoadedPipeline::LoadedPipeline(PipelineConfig config, const LoadOptions& options)
    : config_(std::move(config)), device_(Device::open(config_.device)) {
  require_planned_device(config_, device_.info());
  // Checks the division before the models are loaded, which takes long. Units that do not fit are an error in every
  // mode.
  for (const auto& part : parts_of(config_, device_)) {
    if (part.device.info().partition_obstacle.empty()) require_lanes_fit(part.config, part.device);
  }
  load_libraries(config_);
  std::map<std::string, std::shared_ptr<Tenant>> tenants;
  for (const auto& tenant : config_.tenants) tenants.emplace(tenant.name, make_tenant(tenant));
  for (const auto& engine : config_.engines) {
    auto workload = load(config_, engine, runtime::device_of(config_, engine.lane, device_), options.modules);
    engines_.push_back(
        std::make_shared<ServedEngine>(std::move(workload), ServingOptions{.name = engine.name,
                                                                           .deadline = request_deadline(engine),
                                                                           .capacity = engine.request_queue,
                                                                           .batches = limits_of(engine),
                                                                           .tenant = tenants[engine.tenant],
                                                                           .stops_on_error = engine.stops_on_error,
                                                                           .hang_after = engine.hang_after,
                                                                           .on_miss = options.on_miss}));
  }
}

LoadedPipeline::~LoadedPipeline() = default;
LoadedPipeline::LoadedPipeline(LoadedPipeline&&) noexcept = default;

Device LoadedPipeline::device_of(std::size_t engine) const {
  return runtime::device_of(config_, config_.engines[engine].lane, device_);
}

void LoadedPipeline::place(const PipelineConfig& planned) {
  config_.lanes = planned.lanes;
  for (std::size_t i = 0; i < config_.engines.size(); ++i) {
    config_.engines[i].lane = planned.engines.at(i).lane;
    config_.engines[i].slice = planned.engines.at(i).slice;
    config_.engines[i].takes_turns = planned.engines.at(i).takes_turns;
  }
}

}  // namespace greenlane::runtime
