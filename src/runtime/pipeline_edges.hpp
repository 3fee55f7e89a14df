// The sources, edges and paths of an open pipeline.
#pragma once

#include "runtime/edges/edge_runs.hpp"
#include "runtime/edges/intake.hpp"
#include "runtime/edges/outlet.hpp"
#include "runtime/edges/path_meter.hpp"
#include "runtime/tensor_source.hpp"

#include <greenlane/detail/runtime/loaded_pipeline.hpp>
#include <greenlane/runtime/stats.hpp>

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace greenlane::runtime {

// Lifetime: refers to the pipeline's engines, which must be stopped before they go.
// Thread safety: all members may be called from any thread, except the constructor and destructor.
class PipelineEdges {
 public:
  // Requires that each engine has run on its recorded inputs: their outputs show what the edges carry.
  // Throws: ConfigError, which names the edge, where tensors do not fit.
  // `keeps_last`: see EdgeRuns::last().
  explicit PipelineEdges(const LoadedPipeline& pipeline, bool keeps_last = false);
  // As close().
  ~PipelineEdges();
  PipelineEdges(const PipelineEdges&) = delete;
  PipelineEdges& operator=(const PipelineEdges&) = delete;

  // In the order of the configuration.
  [[nodiscard]] const std::vector<std::shared_ptr<TensorSource>>& sources() const noexcept { return sources_; }
  [[nodiscard]] const std::vector<std::shared_ptr<PathMeter>>& paths() const noexcept { return paths_; }
  // The outputs of the engine's runs from edges.
  [[nodiscard]] const std::shared_ptr<Outlet>& outlet(std::size_t engine) const { return outlets_[engine]; }
  // Null: the engine takes inputs, and none from edges, so it runs on calls and requests only.
  [[nodiscard]] const std::shared_ptr<EdgeRuns>& runs(std::size_t engine) const { return runs_[engine]; }
  // Null: the engine takes nothing from edges.
  [[nodiscard]] const std::shared_ptr<Intake>& intake(std::size_t engine) const { return intakes_[engine]; }

  // Restores the initial data of feedback edges. Results of runs that took earlier data do not reach them any more.
  void restore_initial();
  // Ends all waits, and drops all data.
  void close();

 private:
  // Connects the edges of an engine with their producers.
  void attach(const LoadedPipeline& pipeline, std::size_t engine);

  std::vector<std::shared_ptr<TensorSource>> sources_;
  std::vector<std::shared_ptr<Outlet>> outlets_;
  std::vector<std::shared_ptr<Intake>> intakes_;
  std::vector<std::shared_ptr<EdgeRuns>> runs_;
  std::vector<std::shared_ptr<PathMeter>> paths_;
  std::mutex mutex_;  // held by restore_initial(); guards the next member
  std::uint64_t resets_ = 0;
};

}  // namespace greenlane::runtime
