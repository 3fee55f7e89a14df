// Plans: which engines share which units of a device, and how, chosen from latencies that were measured alone.
// Arithmetic only; no device is used. docs/planning.md describes the model.
// Thread safety: all functions may be called from any thread.
#pragma once

#include <greenlane/core/error.hpp>
#include <greenlane/core/units.hpp>
#include <greenlane/detail/planner/engine_demand.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace greenlane {

/// [i][j]: the factor by which engine i's service takes longer while engine j runs in another partition. Empty: no
/// contention.
using ContentionFactors = std::vector<std::vector<double>>;

/// The way in which engines share one partition: in one lane, first come, first served; or each in a separate lane on
/// the same units, urgent engines with priorities, best-effort engines behind gates.
enum class Sharing { alone, queue, gated };

/// Factors on the model's predictions for one engine. `rate` applies to best-effort engines, whose rate stays within
/// their rate of requests.
struct PredictionFactors {
  double p50 = 1;   ///< on the median latency
  double p99 = 1;   ///< on the 99th percentile
  double rate = 1;  ///< on the rate
};

/// The model's error for exactly these engines in one partition with exactly this sharing, at any partition size.
struct SharingCorrection {
  std::vector<std::size_t> engines;  ///< indices into the request's engines, ascending; exactly one for Sharing::alone
  Sharing sharing = Sharing::alone;  ///< how they share the partition
  std::vector<PredictionFactors> factors;  ///< one for each of `engines`
};

/// A way from a source through engines, each of which has a deadline. Its latency runs from the publication of an item
/// to the end of the last engine's run.
struct PathDemand {
  std::string name;                  ///< the name in messages and reports
  std::vector<std::size_t> engines;  ///< indices into the request's engines, each once
  /// The waits between the engines that no units change: the periods of timers.
  Microseconds waits{};
  /// Of the latency. It is met if the sum of p99 × (1 + margin), and the waits, are within it.
  Microseconds deadline{};
};

/// The engines to plan for, and the device to plan them on.
struct PlanRequest {
  DeviceGroups device;                           ///< the device's groups
  std::vector<EngineDemand> engines;             ///< at most 64
  std::vector<PathDemand> paths{};               ///< the ways whose latency is bounded, too
  ContentionFactors contention{};                ///< how engines slow each other down
  std::vector<SharingCorrection> corrections{};  ///< at most one for each set of engines and sharing
  /// A deadline is met if p99 × (1 + margin) is within it.
  double margin = 0.1;
  /// The device's most urgent priority, in CUDA's numbers.
  int greatest_priority = -5;
  /// The limit of the exact search, in steps of some nanoseconds each. Beyond it, a search that may miss the best plan
  /// is used.
  std::int64_t most_steps = 100'000'000;
};

/// One partition of a plan, and the engines in it.
struct PlannedPartition {
  std::string name;  ///< the name in messages and reports
  Units units;       ///< the size
  /// All units that other partitions leave, including the odd group: at least one whole group.
  bool is_rest = false;
  /// The undivided device; there is no other partition.
  bool is_whole = false;
  Sharing sharing = Sharing::alone;  ///< how its engines share it
  std::vector<std::size_t> engines;  ///< indices into the request's engines, ascending
  /// Share of the time during which some engine uses it.
  double utilisation = 0;
};

/// One engine of a plan, with its predicted results.
struct PlannedEngine {
  std::string name;           ///< the engine's name
  std::size_t partition = 0;  ///< index into the plan's partitions
  std::string lane;           ///< engines in one queue have the same lane
  int priority = 0;           ///< CUDA's number: more negative is more urgent
  bool gated = false;         ///< lets urgent engines pass between two slices
  Microseconds in_flight{};   ///< of its slices; 0 if not gated
  /// Infinite if requests arrive faster than they can be served.
  Microseconds p50{};
  /// Infinite if requests arrive faster than they can be served.
  Microseconds p99{};
  /// Requests served per second.
  double rate_hz = 0;
  /// Share of the time during which it uses its partition.
  double utilisation = 0;
};

/// One path of a plan.
struct PlannedPath {
  std::string name;        ///< the path's name
  Microseconds latency{};  ///< the sum of its engines' p99 and its waits
};

/// The engines' partitions and lanes, with the predicted results.
struct Plan {
  std::vector<PlannedPartition> partitions;  ///< disjoint parts of the device
  std::vector<PlannedEngine> engines;        ///< in the request's order
  std::vector<PlannedPath> paths;            ///< in the request's order
  /// False only in results of `predict`: a deadline, margin included, is missed.
  bool meets_deadlines = true;
  /// Sum over best-effort engines of weight × rate ÷ rate alone on the whole device. Each partition's sum is rounded to
  /// millionths, so that smaller differences never outweigh slack.
  double throughput = 0;
  /// The smallest (deadline − p99) ÷ deadline of an engine or a path; 1 if there is no deadline.
  double slack = 1;
  /// `exact`: all plans of this model were considered. No plan's throughput is more than `gap` higher than this plan's.
  bool exact = true;
  /// See `exact`; 0 if the plan is the best of all.
  double gap = 0;
};

/// An engine or a path that misses its deadline in the plan that comes closest.
struct Shortfall {
  std::string name;         ///< the engine's name, or the path's
  bool is_path = false;     ///< it is a path
  Microseconds deadline{};  ///< its deadline
  /// `allowed`: the largest p99 for that deadline with its margin. `p99`: the predicted one; infinite: the engine
  /// cannot keep up.
  Microseconds allowed{};
  /// The predicted p99; infinite: the engine cannot keep up.
  Microseconds p99{};
};

/// Single changes that would make all engines fit. Absent: the change does not help, or not within a factor of two
/// (units) or 64 (rate).
struct PlanRemedies {
  /// New deadlines for all engines that miss theirs, in their order.
  std::vector<Microseconds> deadlines;
  /// A lower rate for the engine with the worst shortfall.
  std::optional<double> rate_hz;
  /// The number of additional whole groups.
  std::optional<int> groups;
};

/// No plan meets all deadlines, or none was found. what() names the engine with the worst shortfall, the shortfall, and
/// a remedy.
class PlanError : public Error {
 public:
  /// Makes an error of its parts.
  PlanError(const Message& message, std::vector<Shortfall> shortfalls, PlanRemedies remedies)
      : Error(message), remedy_(message.remedy), shortfalls_(std::move(shortfalls)), remedies_(std::move(remedies)) {}
  /// The worst first; never empty.
  [[nodiscard]] const std::vector<Shortfall>& shortfalls() const noexcept { return shortfalls_; }
  /// Returns the single changes that would help.
  [[nodiscard]] const PlanRemedies& remedies() const noexcept { return remedies_; }
  /// The last part of what().
  [[nodiscard]] const std::string& remedy() const noexcept { return remedy_; }

 private:
  std::string remedy_;
  std::vector<Shortfall> shortfalls_;
  PlanRemedies remedies_;
};

/// Returns the best plan: all deadlines met, then the highest throughput, then the largest slack. The same request
/// gives the same plan.
/// Throws: PlanError; ConfigError if the request is not valid.
[[nodiscard]] Plan make_plan(const PlanRequest& request);

/// Returns up to `count` plans that meet all deadlines, the best first. The plans differ in which engines share; each
/// has the best sizes for its sharing.
/// Throws: as make_plan does, also if there is no such plan.
[[nodiscard]] std::vector<Plan> plan_candidates(const PlanRequest& request, std::size_t count);

/// Predicts the results of given partitions. Inputs are `engines`, `sharing`, and one of `units`, `is_rest` and
/// `is_whole` of each partition; other members are filled in.
/// Throws: ConfigError if the partitions do not fit the device, are not whole groups, use the odd group alone, or leave
/// out an engine.
[[nodiscard]] Plan predict(const PlanRequest& request, std::span<const PlannedPartition> partitions);

}  // namespace greenlane
