// The edges of a pipeline during a rehearsal: recorded items are published at the sources' rates.
#pragma once

#include "runtime/edges/intake.hpp"
#include "runtime/pipeline_edges.hpp"
#include "runtime/rehearsal_trigger.hpp"

#include <greenlane/detail/runtime/loaded_pipeline.hpp>
#include <greenlane/detail/runtime/results.hpp>

#include <ATen/core/Tensor.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace greenlane::runtime {

// The recorded items of one source, each with its tensors.
using RecordedItems = std::vector<std::vector<at::Tensor>>;

// Reads the recorded items of a source. Without a file, the recorded inputs of its consumers are the only item.
// Throws: ConfigError if they cannot be read, or do not fit, or the source has no rate.
[[nodiscard]] RecordedItems recorded_items(const LoadedPipeline& pipeline, std::size_t source);

// Lifetime: refers to the pipeline.
// Thread safety: none, but its threads use what they share correctly.
class RehearsalEdges {
 public:
  // Reads the recorded items.
  // Throws: ConfigError if tensors do not fit, items cannot be read, or a source has no rate.
  explicit RehearsalEdges(const LoadedPipeline& pipeline);
  // Stops the sources.
  ~RehearsalEdges();
  RehearsalEdges(const RehearsalEdges&) = delete;
  RehearsalEdges& operator=(const RehearsalEdges&) = delete;

  [[nodiscard]] const PipelineEdges& edges() const noexcept { return edges_; }
  // Null: the engine runs on recorded inputs.
  [[nodiscard]] const std::shared_ptr<EdgeRuns>& runs(std::size_t engine) const { return edges_.runs(engine); }

  // Publishes from timetable.begin until timetable.end. `trace`: keeps the times.
  // Lifetime: refers to the timetable.
  void start(const Timetable& timetable, bool trace);
  // Forgets the figures of edges, sources and paths so far, because the measurement begins.
  void begin_figures();
  // Subtracts the figures before that.
  void leave_out_warm_up(PipelineStats& stats) const;
  // Stops the sources, and waits for them.
  void stop();
  // Adds the results. Call it after stop().
  void fill(ModeResult& result) const;

  // Repeats the last run of an engine, alone, and compares the outputs; compares the source items in its inputs with
  // the recorded ones, by their sequence numbers. Returns the difference; empty: there is none.
  // Requires that the engine takes from edges. Call it on the engine's thread, while nothing else runs.
  [[nodiscard]] std::string difference_of_last(std::size_t engine) const;
  // Returns true if difference_of_last() has a run to look at.
  [[nodiscard]] bool has_last(std::size_t engine) const;

 private:
  struct Player {
    RecordedItems items;
    std::thread thread{};
    SourceResult result{};
    std::uint64_t before = 0;  // items before the measurement
    std::string error{};
  };
  void play(std::size_t source, const Timetable& timetable, bool trace);

  const LoadedPipeline& pipeline_;
  PipelineEdges edges_;
  std::vector<Player> players_;
  std::vector<std::vector<EdgeCounts>> before_;  // of each engine's edges, when the measurement began
  std::atomic<bool> is_stopped_{false};
};

}  // namespace greenlane::runtime
