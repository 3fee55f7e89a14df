#include "runtime/placed_pipeline.hpp"

#include "runtime/device_part.hpp"
#include "runtime/placement.hpp"
#include "runtime/rehearsal_trigger.hpp"

#include <greenlane/core/log.hpp>
#include <greenlane/detail/core/slices_in_flight.hpp>
#include <greenlane/torch/tensor_io.hpp>

#include <algorithm>
#include <atomic>
#include <optional>
#include <utility>

namespace greenlane::runtime {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

PlacedPipeline::WarmUp warm_up_one(Workload& workload, bool check, const std::atomic<bool>& stop) {
  PlacedPipeline::WarmUp found;
  if (!workload.may_be_warmed_up()) return found;
  try {
    const auto enough = Clock::now() + milliseconds(100);
    for (int runs = 0; (runs < 3 || Clock::now() < enough) && !stop; ++runs) workload.run();
    found.is_checked = check && !stop && workload.has_expected_outputs();
    if (found.is_checked && workload.has_state()) {
      workload.reset_state();
      workload.run();  // the expected outputs are those of a first run
    }
    if (found.is_checked) found.difference = workload.check();
    workload.reset_state();
  } catch (const std::exception& error) {
    found.error = error.what();
    found.is_checked = false;
  }
  return found;
}

}  // namespace

std::vector<GateRole> roles_of(const PipelineConfig& config, const std::map<std::string, Lane>& lanes, Mode mode) {
  const auto share = [&](const EngineConfig& one, const EngineConfig& other) {
    const auto& first = lanes.at(one.lane);
    const auto& second = lanes.at(other.lane);
    if (first.device().id() != second.device().id()) return false;
    return mode == Mode::gates || (mode == Mode::lanes && first.unit_set().overlaps(second.unit_set()));
  };
  std::vector<GateRole> roles(config.engines.size());
  for (std::size_t i = 0; i < roles.size(); ++i) {
    const auto& engine = config.engines[i];
    if (mode != Mode::gates && lanes.at(engine.lane).device().id().kind == DeviceKind::cpu) continue;
    const auto meets = [&](auto matters) {
      return std::ranges::any_of(config.engines,
                                 [&](const auto& other) { return matters(other) && share(engine, other); });
    };
    const auto is_urgent = [](const EngineConfig& other) { return other.deadline.has_value(); };
    const auto is_gated = [&](const EngineConfig& other) {
      return !other.deadline && other.gates && (mode == Mode::gates || !other.takes_turns);
    };
    if (engine.deadline) {
      if (mode == Mode::gates || meets(is_gated)) roles[i].urgent = engine.deadline;
    } else if (is_gated(engine) && (mode == Mode::gates || meets(is_urgent))) {
      roles[i].gated = true;
      roles[i].slice = engine.slice;
    }
  }
  return roles;
}

PlacedPipeline::PlacedPipeline(LoadedPipeline& pipeline, Mode mode, Logs logs) : pipeline_(pipeline) {
  const auto& config = pipeline.config();
  for (const auto& part : parts_of(config, pipeline.device())) {
    lanes_.merge(place(part.config, part.device, mode));
    gates_.emplace_back(part.device, Gate::of(part.device));
  }
  roles_ = roles_of(config, lanes_, mode);
  if (logs == Logs::kept && has_gates()) passes_ = std::make_shared<SpanLog>(kMostSpans);
  for (const auto& [device, gate] : gates_) gate->set_log(passes_);
  try {
    for (std::size_t i = 0; i < roles_.size(); ++i) {
      if (logs == Logs::kept && roles_[i].gated) roles_[i].log = std::make_shared<SpanLog>(kMostSpans);
      auto& workload = pipeline.engines()[i]->workload();
      workload.bind(lane_of(i));
      workload.set_role(roles_[i]);
    }
  } catch (...) {
    leave();
    throw;
  }
}

PlacedPipeline::~PlacedPipeline() {
  if (!is_abandoned_) leave();
}

void PlacedPipeline::leave() noexcept {
  try {
    for (const auto& [device, gate] : gates_) gate->set_log(nullptr);
    for (const auto& engine : pipeline_.engines()) {
      engine->workload().set_role({});
      engine->workload().reset_state();
      engine->workload().unbind();
    }
    for (const auto& [device, gate] : gates_) release_unused_memory(device.id());
  } catch (const std::exception& error) {
    warn(std::string("the engines could not leave their lanes: ") + error.what());
  }
}

const Lane& PlacedPipeline::lane_of(std::size_t engine) const {
  return lanes_.at(pipeline_.config().engines[engine].lane);
}

bool PlacedPipeline::delays_urgent(std::size_t engine) const {
  if (!roles_[engine].gated) return false;
  const auto device = lane_of(engine).device().id();
  // In mode lanes, an engine is gated only if an urgent one shares its units.
  for (std::size_t i = 0; i < roles_.size(); ++i) {
    if (roles_[i].urgent && lane_of(i).device().id() == device) return true;
  }
  return false;
}

bool PlacedPipeline::has_gates() const { return std::ranges::any_of(roles_, &GateRole::gated); }

Nanoseconds PlacedPipeline::longest_wait() const {
  constexpr auto kHost = microseconds(10);
  Nanoseconds longest{0};
  for (const auto& engine : pipeline_.engines()) {
    const auto graphs = engine->workload().graphs();
    if (graphs && graphs->slices > 1) longest += detail::time_in_flight(graphs->longest_slice, graphs->look_ahead);
  }
  return longest.count() > 0 ? longest + kHost : longest;
}

std::vector<PlacedPipeline::WarmUp> PlacedPipeline::warm_up(bool check, const std::atomic<bool>& stop) {
  std::vector<WarmUp> all;
  for (const auto& engine : pipeline_.engines()) {
    engine->run_on_thread([&] { all.push_back(warm_up_one(engine->workload(), check, stop)); });
  }
  return all;
}

}  // namespace greenlane::runtime
