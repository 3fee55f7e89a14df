// The pipeline described by one TOML file. docs/configuration.md is the contract.
#pragma once

#include <greenlane/core/device.hpp>
#include <greenlane/core/units.hpp>
#include <greenlane/detail/planner/engine_demand.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace greenlane::runtime {

/// The unit of times in files and results.
using Nanoseconds = std::chrono::nanoseconds;

/// Converts seconds, as files and command lines give them, rounded to nanoseconds. The range is some centuries.
[[nodiscard]] inline Nanoseconds from_seconds(double seconds) {
  return Nanoseconds(static_cast<Nanoseconds::rep>(std::llround(seconds * 1e9)));
}

/// What a full queue does with one more value.
enum class Overflow {
  drop_oldest,  ///< the oldest value makes room
  reject,       ///< the new value is dropped
  block,        ///< the producer waits
};

/// All that an engine takes from one producer: the entries of `from` that name it.
struct EdgeConfig {
  /// The name of a source or an engine.
  std::string producer;
  /// The number of values that may wait. 0: a latest edge, on which a newer value replaces an older one.
  std::size_t queue = 0;
  /// What a full queue does.
  Overflow overflow = Overflow::drop_oldest;
  /// New data makes the engine run: `on` names the producer.
  bool triggers = false;
  /// It closes a cycle, and begins with initial data. It carries no age.
  bool is_feedback = false;
  /// The file with the outputs of the producer that a feedback edge begins with. Empty: zeros.
  std::filesystem::path initial{};
};

/// An input of an engine's model: one entry of `from`.
struct InputConfig {
  std::size_t edge = 0;    ///< index into the engine's edges
  std::size_t output = 0;  ///< which tensor of the producer's
};

/// Requests of an engine that run together: the key `max_batch`. The rows of a request are the size of dimension 0 of
/// its inputs.
struct BatchConfig {
  /// The sizes of runs in rows, ascending. Runs of other sizes are padded to the next one.
  std::vector<std::int64_t> sizes;
  /// The file lists the sizes. Otherwise those that the model refuses are left out, but for the last.
  bool are_listed = false;
  /// The longest time for which a request waits for others.
  Nanoseconds delay{0};
  /// The rows of a run in plans and rehearsals, where a request has one row: the rows that come within `delay`.
  std::int64_t planned_rows = 1;
  /// Time between two requests; absent: unknown.
  std::optional<Nanoseconds> request_period{};
  /// The deadline of a request; absent: none.
  std::optional<Nanoseconds> request_deadline{};

  /// Returns the most rows of a run.
  [[nodiscard]] std::int64_t most() const { return sizes.back(); }
  /// Returns the size of a run of so many rows, at most most().
  [[nodiscard]] std::int64_t size_for(std::int64_t rows) const { return *std::ranges::lower_bound(sizes, rows); }
};

/// One engine of a pipeline: the table `[engine.NAME]`.
struct EngineConfig {
  /// The name in messages and reports.
  std::string name;
  /// The AOTInductor package; empty for a module.
  std::filesystem::path model;
  /// The name of a module that the program passes; empty for a package.
  std::string module{};
  /// The module runs under Python's lock.
  bool python = false;
  /// The file of its recorded inputs.
  std::filesystem::path inputs;
  /// Expected outputs; empty: none.
  std::filesystem::path outputs;
  /// Time between two arrivals, or between two planned batches; absent: best effort, back to back.
  std::optional<Nanoseconds> period;
  /// Absent for best-effort engines. An engine with a rate and no deadline has its period as its deadline. The deadline
  /// of a batch begins when it is complete.
  std::optional<Nanoseconds> deadline;
  /// The seed of its random numbers on a GPU. Absent: a number that PyTorch's seed and the engine's name give.
  std::optional<std::uint64_t> seed{};
  /// The lane's name: the engine's name unless the file names another lane.
  std::string lane;
  /// On a GPU: whether its calls are replayed from CUDA graphs, and whether those use kernels picked for the lane's
  /// units.
  bool graphs = true;
  /// On a GPU: whether graphs use kernels picked for the lane's units.
  bool tune_kernels = true;
  /// It keeps state that its package does not show, so it runs only for requests.
  bool stateful = false;
  /// For a best-effort engine that shares units with urgent ones: whether it lets them pass, and the longest slice.
  /// Absent slice: as short as possible at low cost.
  bool gates = true;
  /// The longest slice. Absent: as short as possible at low cost.
  std::optional<Nanoseconds> slice;
  /// From a plan: it takes turns with urgent engines on its lane instead of using gates.
  bool takes_turns = false;
  /// The way in which requests arrive.
  Arrivals arrivals = Arrivals::periodic;
  /// In a program: requests run together. Absent: each runs alone.
  std::optional<BatchConfig> batch{};
  /// In a program: the tenant whose requests it runs; empty: nobody's.
  std::string tenant{};
  /// In a program: the number of requests that may wait for it.
  std::size_t request_queue = 64;
  /// In a program: its first error ends it.
  bool stops_on_error = false;
  /// In a program: a run that takes longer counts as hanging.
  Nanoseconds hang_after = std::chrono::seconds(5);
  /// Outputs with NaN or infinity are an error.
  bool check_outputs = false;
  /// A timer makes it run, with `period`. Otherwise `period` is that of the data which makes it run.
  bool has_timer = false;
  /// The value of a best-effort engine's rate in a plan, relative to other engines.
  double weight = 1;
  /// One for each producer in `from`, in the order of first use. Empty: it runs on recorded inputs or requests only.
  std::vector<EdgeConfig> edges{};
  /// One for each input of the model, or empty.
  std::vector<InputConfig> from{};
  /// A run on older inputs is skipped. Absent: inputs of any age.
  std::optional<Nanoseconds> max_age{};
};

/// Returns the time between two requests; absent: best effort.
[[nodiscard]] inline std::optional<Nanoseconds> request_period(const EngineConfig& engine) {
  return engine.batch ? engine.batch->request_period : engine.period;
}
/// Returns the rows of a run in plans and rehearsals; absent: requests run alone.
[[nodiscard]] inline std::optional<std::int64_t> planned_rows(const EngineConfig& engine) {
  return engine.batch ? std::optional(engine.batch->planned_rows) : std::nullopt;
}
/// Returns the deadline of a request; absent: none.
[[nodiscard]] inline std::optional<Nanoseconds> request_deadline(const EngineConfig& engine) {
  return engine.batch ? engine.batch->request_deadline : engine.deadline;
}

/// Data that the program publishes: the table `[source.NAME]`.
struct SourceConfig {
  std::string name;                     ///< the name in messages and reports
  std::optional<Nanoseconds> period{};  ///< between two items; absent: unknown, and the pipeline is not rehearsed
  std::filesystem::path items;          ///< recorded items; empty: the recorded inputs of a consumer are the only item
};

/// A user of engines, in a program: the table `[tenant.NAME]`.
struct TenantConfig {
  std::string name;                            ///< the name in messages and reports
  double weight = 1;                           ///< its share of best-effort time, relative to other tenants
  std::optional<std::size_t> request_queue{};  ///< requests that may wait for its engines; absent: any number
  std::optional<double> rate_hz{};             ///< requests per second that it may send; absent: any
  double burst = 1;                            ///< with `rate_hz`: requests that it may send at once
};

/// A way from a source to an engine: the table `[path.NAME]`.
struct PathConfig {
  std::string name;                       ///< the name in messages and reports
  std::string from;                       ///< the source
  std::string to;                         ///< the engine
  std::optional<Nanoseconds> deadline{};  ///< absent: measured only
  /// All ways from the source to the engine, without feedback edges: indices into the configuration's engines.
  std::vector<std::vector<std::size_t>> routes{};
};

/// One lane of a pipeline: the table `[lane.NAME]`.
struct LaneConfig {
  /// The name in messages and reports.
  std::string name;
  /// Absent: the program divides the units that are left.
  std::optional<UnitRequest> units;
  /// In mode lanes, the lane whose units this lane shares; empty: it has its own units.
  std::string beside{};
  /// The device that it is on; empty: the pipeline's.
  std::string device{};
};

/// The device that a plan was made for, as far as the plan names it.
struct PlannedDevice {
  std::filesystem::path plan;        ///< the plan's file
  std::optional<DeviceKind> kind{};  ///< the device's kind; absent: any
  std::string name{};                ///< empty: any
  std::optional<Units> units{};      ///< the device's units; absent: any
  std::string torch{};               ///< the PyTorch version that made the plan; empty: any
};

/// All that one file says of a pipeline.
struct PipelineConfig {
  std::filesystem::path file;                    ///< the file itself
  std::string device = "auto";                   ///< "auto", "cpu", "cuda" or "cuda:N"
  std::vector<std::filesystem::path> libraries;  ///< custom-operator libraries
  std::string metrics{};                ///< where metrics are served, as MetricsEndpoint takes it; empty: nowhere
  std::vector<EngineConfig> engines;    ///< in the order of the file
  std::vector<LaneConfig> lanes;        ///< lanes that engines use, in the order of first use
  std::vector<SourceConfig> sources{};  ///< in the order of the file
  std::vector<PathConfig> paths{};      ///< in the order of the file
  std::vector<TenantConfig> tenants{};  ///< in the order of the file
  /// Set by apply_plan. A LoadedPipeline on another device is refused. Absent: the lanes fit any device.
  std::optional<PlannedDevice> planned_for{};
};

/// A requirement on the files that a configuration names. A plan can be made without them.
enum class NamedFiles { must_exist, may_be_missing };

/// Reads and checks the file: syntax, unknown keys, missing files, impossible numbers, unused lanes. Paths in the file
/// are relative to it.
/// Throws: ConfigError, which names the file, the line and the key.
[[nodiscard]] PipelineConfig load_config(const std::filesystem::path& file, NamedFiles files = NamedFiles::must_exist);

/// Returns the number of streams that the pipeline uses at once on its device, in any mode and with any plan: its
/// lanes, or one for each engine, one for each source, and the default stream. For request_hardware_queues().
[[nodiscard]] int streams_of(const PipelineConfig& config);

}  // namespace greenlane::runtime
