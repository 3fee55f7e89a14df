// The engines of a pipeline on their lanes, with their roles at the gates.
#pragma once

#include "runtime/serving/served_engine.hpp"

#include <greenlane/core/lane.hpp>
#include <greenlane/detail/core/gate.hpp>
#include <greenlane/detail/runtime/loaded_pipeline.hpp>
#include <greenlane/detail/runtime/mode.hpp>
#include <greenlane/detail/runtime/workload.hpp>

#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace greenlane::runtime {

// Returns the gate role of each engine. Engines with a deadline are urgent, and best-effort engines let them pass. In
// mode gates this concerns all engines of a device; in mode lanes on a GPU, engines that share units without taking
// turns. Other engines have no role.
[[nodiscard]] std::vector<GateRole> roles_of(const PipelineConfig& config, const std::map<std::string, Lane>& lanes,
                                             Mode mode);

// Takes the engines to their lanes. The destructor leaves the devices ready for the next mode, also after an error: no
// engine on a lane, no memory held.
// Lifetime: refers to the pipeline.
// Thread safety: none.
class PlacedPipeline {
 public:
  enum class Logs { none, kept };
  // `logs`: whether slices and urgent calls are logged, for a trace.
  // Throws: ConfigError, PartitionError.
  PlacedPipeline(LoadedPipeline& pipeline, Mode mode, Logs logs = Logs::none);
  ~PlacedPipeline();
  PlacedPipeline(const PlacedPipeline&) = delete;
  PlacedPipeline& operator=(const PlacedPipeline&) = delete;

  [[nodiscard]] const Lane& lane_of(std::size_t engine) const;
  [[nodiscard]] const GateRole& role_of(std::size_t engine) const { return roles_[engine]; }
  // Returns true if urgent engines wait for the slices of this engine.
  [[nodiscard]] bool delays_urgent(std::size_t engine) const;
  [[nodiscard]] bool has_gates() const;
  // Returns the gates of the devices, one for each device that lanes are on.
  [[nodiscard]] const std::vector<std::pair<Device, std::shared_ptr<Gate>>>& gates() const noexcept { return gates_; }
  // The log of the urgent calls; null without logs.
  [[nodiscard]] const std::shared_ptr<SpanLog>& passes() const noexcept { return passes_; }
  // Returns how long an urgent request may wait for the slices in flight, with a little added for the host. A gate that
  // closes this long before a known arrival spares the request the wait.
  [[nodiscard]] Nanoseconds longest_wait() const;

  // Runs each engine on its thread until it is likely to be warm, checks the last result if `check`, and puts back the
  // state that these runs changed. Engines follow one another: lazy loading of kernels takes locks in the driver, and
  // the wait for them would count against other engines. Ends early once `stop` is set.
  // Returns: for each engine what it found.
  struct WarmUp {
    bool is_checked = false;  // the outputs were compared
    std::string difference;   // between the outputs and the expected ones
    std::string error;        // that it threw
  };
  [[nodiscard]] std::vector<WarmUp> warm_up(bool check, const std::atomic<bool>& stop);

  // Leaves everything as it is when this is destroyed, because an engine hangs.
  void abandon() noexcept { is_abandoned_ = true; }

 private:
  void leave() noexcept;
  LoadedPipeline& pipeline_;
  std::map<std::string, Lane> lanes_;
  std::vector<GateRole> roles_;
  std::vector<std::pair<Device, std::shared_ptr<Gate>>> gates_;
  std::shared_ptr<SpanLog> passes_;
  bool is_abandoned_ = false;
};

}  // namespace greenlane::runtime
