// The inside of an open pipeline.
#pragma once

#include "runtime/pipeline_edges.hpp"
#include "runtime/placed_pipeline.hpp"
#include "runtime/serving/miss_reports.hpp"
#include "runtime/serving/served_engine.hpp"
#include "runtime/serving/watchdog.hpp"
#include "runtime/sink_parts.hpp"
#include "runtime/tensor_workload.hpp"

#include <greenlane/core/lane.hpp>
#include <greenlane/detail/core/process.hpp>
#include <greenlane/detail/runtime/config.hpp>
#include <greenlane/detail/runtime/loaded_pipeline.hpp>
#include <greenlane/detail/runtime/metrics_endpoint.hpp>
#include <greenlane/detail/runtime/mode.hpp>
#include <greenlane/runtime/pipeline.hpp>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace greenlane::runtime {

// An engine on its lane.
struct LiveEngine {
  std::shared_ptr<ServedEngine> engine;
  EngineStats about;                    // all that does not change
  std::vector<std::string> about_call;  // see TensorWorkload::call_spec()
  std::vector<TensorSpec> inputs;       // these do not change either
  std::vector<TensorSpec> outputs;
  std::shared_ptr<EdgeRuns> runs;  // null: it takes inputs, and none from edges
  std::mutex mutex;                // guards the next member
  std::optional<Lane> lane;        // absent once the pipeline is closed

  // Requires that the engine serves.
  [[nodiscard]] TensorWorkload& workload() const { return static_cast<TensorWorkload&>(engine->workload()); }
};

// See Pipeline, whose members these are.
class LivePipeline {
 public:
  LivePipeline(std::string name, PipelineConfig config, const PipelineOptions& options, const ModuleLoader& modules);
  ~LivePipeline();
  LivePipeline(const LivePipeline&) = delete;
  LivePipeline& operator=(const LivePipeline&) = delete;

  // Plans lanes that the file leaves open, as `greenlane run` does.
  void plan_open_lanes(const std::atomic<bool>& stop);
  // Places the engines, and runs each on its lane. Called once.
  void open(Mode mode, const std::atomic<bool>& stop);

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] const std::vector<std::shared_ptr<LiveEngine>>& engines() const noexcept { return engines_; }
  [[nodiscard]] const std::vector<std::shared_ptr<TensorSource>>& sources() const { return edges_->sources(); }
  // `engine`: its index.
  // Throws: ConfigError if the engine runs on calls and requests only, whose outputs go to their callers.
  [[nodiscard]] std::shared_ptr<const SinkParts> sink(std::size_t engine) const;
  void start();
  void stop();
  void reset();
  [[nodiscard]] PipelineStats stats();
  // Absent: it serves none, or is closed.
  [[nodiscard]] std::optional<std::string> metrics_address() const;
  void close();
  [[nodiscard]] bool is_closed() const noexcept { return is_closed_; }

 private:
  void check_engines(const std::atomic<bool>& stop);
  // Returns what makes an engine run; null: nothing but calls and requests.
  [[nodiscard]] std::shared_ptr<Trigger> trigger_of(std::size_t engine) const;
  // Waits until the devices have done the work of all calls, but not beyond `until`. Returns whether they have.
  [[nodiscard]] bool wait_for_calls(Clock::time_point until) const;
  // Gives up everything that a hanging engine may still use. Freeing it would wait for the engine.
  void leave_alone(const std::string& who);
  void keep_placed();
  [[nodiscard]] std::unique_ptr<MetricsEndpoint> take_metrics();

  detail::Origin origin_;
  std::string name_;  // in messages
  std::shared_ptr<MissReports> misses_;
  mutable detail::ForkSafeMutex metrics_mutex_;  // guards the next member
  std::unique_ptr<MetricsEndpoint> metrics_;     // null: none, or the pipeline is closed
  std::unique_ptr<LoadedPipeline> loaded_;
  std::unique_ptr<PlacedPipeline> placed_;
  std::unique_ptr<PipelineEdges> edges_;  // until the end, because handles may ask for its parts
  std::unique_ptr<Watchdog> watchdog_;
  std::vector<std::shared_ptr<LiveEngine>> engines_;
  Clock::time_point opened_;
  std::mutex mutex_;  // held by start(), stop() and close(); guards the next member
  bool is_running_ = false;
  std::atomic<bool> is_closed_{false};
};

}  // namespace greenlane::runtime
