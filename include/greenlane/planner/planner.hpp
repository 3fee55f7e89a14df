// Plans: which engines share which units of a device, and how, chosen from latencies that were measured alone.
// Arithmetic only: nothing here touches a device. docs/planning.md describes the model. All functions may be called
// from any thread.
#pragma once

#include <greenlane/core/error.hpp>
#include <greenlane/core/units.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <ratio>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace greenlane {

// Predictions have fractions; every std::chrono duration converts to this.
using Microseconds = std::chrono::duration<double, std::micro>;

// Latency of one request, measured alone in a partition of so many units. The point of all the device's units is that
// of the undivided device.
struct LatencyPoint {
  Units units;
  Microseconds p50{};
  Microseconds p99{};
  Microseconds mean{};
};

// A best-effort engine behind a gate, in a partition of so many units: the time that slices in flight may take, which
// an urgent engine waits at worst, and what being cut costs, as a share of the engine's rate.
struct SlicePoint {
  Units units;
  Microseconds in_flight{};
  double overhead = 0;
};

// Of requests of an engine with a rate: one period after another, or at random with that mean (Poisson).
enum class Arrivals { periodic, random };

// An engine with a deadline is urgent, every other is best effort. It has one request in flight at a time.
struct EngineDemand {
  std::string name;
  // At least one point, no size twice, in any order. Between two points the slower one counts; below the smallest,
  // latency is taken to grow as units shrink; above the largest, to stay.
  std::vector<LatencyPoint> curve;
  // Mean time between two arrivals. Absent: back to back.
  std::optional<Microseconds> period{};
  Arrivals arrivals = Arrivals::periodic;
  // From arrival to result.
  std::optional<Microseconds> deadline{};
  // What the rate of a best-effort engine is worth, as a multiple of its rate alone on the whole device.
  double weight = 1;
  // Empty: cannot be gated. Sizes as for `curve`.
  std::vector<SlicePoint> slices{};
};

// [i][j]: by how much engine i's service takes longer while engine j runs in another partition. Empty: nobody's does.
using ContentionFactors = std::vector<std::vector<double>>;

// How engines in one partition share it: in one lane, first come, first served; or each in a lane of its own on the
// same units, urgent ones with priorities, best-effort ones behind gates.
enum class Sharing { alone, queue, gated };

// By what the model's predictions of an engine are multiplied. Rates are those of best-effort engines, and stay within
// the rate at which requests come.
struct PredictionFactors {
  double p50 = 1;
  double p99 = 1;
  double rate = 1;
};

// What the model gets wrong where exactly these engines share a partition in exactly this way, of whatever size.
struct SharingCorrection {
  std::vector<std::size_t> engines;  // indices into the request's, ascending; one exactly where it is alone
  Sharing sharing = Sharing::alone;
  std::vector<PredictionFactors> factors;  // of each of `engines`
};

struct PlanRequest {
  DeviceGroups device;
  std::vector<EngineDemand> engines;  // at most 64
  ContentionFactors contention{};
  std::vector<SharingCorrection> corrections{};  // one at most for each set and way to share
  // A deadline counts as met where p99 × (1 + margin) is within it.
  double margin = 0.1;
  // The most urgent priority that the device has, as CUDA numbers them.
  int greatest_priority = -5;
  // A search that takes more steps (some nanoseconds each) is replaced by one that may miss the best plan.
  std::int64_t most_steps = 100'000'000;
};

struct PlannedPartition {
  std::string name;
  Units units;
  // All that other partitions leave, the odd group with it: at least one whole group.
  bool is_rest = false;
  // The undivided device: there is no other partition.
  bool is_whole = false;
  Sharing sharing = Sharing::alone;
  std::vector<std::size_t> engines;  // indices into the request's, ascending
  // Share of the time for which somebody uses it.
  double utilisation = 0;
};

struct PlannedEngine {
  std::string name;
  std::size_t partition = 0;  // index into the plan's
  std::string lane;           // engines in one queue have the same
  int priority = 0;           // as CUDA has it: the more negative, the more urgent
  bool gated = false;         // it lets urgent engines pass between two slices
  Microseconds in_flight{};   // of its slices; 0 where it is not gated
  // Infinite where requests arrive faster than they can be served.
  Microseconds p50{};
  Microseconds p99{};
  double rate_hz = 0;
  // Share of the time for which it uses its partition.
  double utilisation = 0;
};

struct Plan {
  std::vector<PlannedPartition> partitions;
  std::vector<PlannedEngine> engines;  // in the request's order
  // False only in what `predict` returns: a deadline is missed, margin included.
  bool meets_deadlines = true;
  // Sum over best-effort engines of weight × rate ÷ rate alone on the whole device. Rounded to millionths for each
  // partition, so that what is smaller never outweighs slack.
  double throughput = 0;
  // The smallest (deadline − p99) ÷ deadline; 1 where there is no deadline.
  double slack = 1;
  // Whether all plans were looked at, in this model. No plan's throughput is more than `gap` higher than this one's.
  bool exact = true;
  double gap = 0;
};

// An engine that misses its deadline in the plan that comes closest.
struct Shortfall {
  std::string engine;
  Microseconds deadline{};
  // What p99 may be for that deadline with its margin, and what it is. Infinite: it cannot keep up.
  Microseconds allowed{};
  Microseconds p99{};
};

// What would make all engines fit, each by itself. Absent: it does not help, or not within a factor of two (units), of
// 64 (rate).
struct PlanRemedies {
  // New deadlines for all engines that fall short, in their order.
  std::vector<Microseconds> deadlines;
  // A rate for the engine that falls shortest.
  std::optional<double> rate_hz;
  // So many whole groups more.
  std::optional<int> groups;
};

// No plan meets all deadlines, or none was found; what() says so, names the engine that falls shortest, by how much,
// and what would make it fit.
class PlanError : public Error {
 public:
  PlanError(const Message& message, std::vector<Shortfall> shortfalls, PlanRemedies remedies)
      : Error(message), remedy_(message.remedy), shortfalls_(std::move(shortfalls)), remedies_(std::move(remedies)) {}
  // The worst first; never empty.
  [[nodiscard]] const std::vector<Shortfall>& shortfalls() const noexcept { return shortfalls_; }
  [[nodiscard]] const PlanRemedies& remedies() const noexcept { return remedies_; }
  // The last part of what().
  [[nodiscard]] const std::string& remedy() const noexcept { return remedy_; }

 private:
  std::string remedy_;
  std::vector<Shortfall> shortfalls_;
  PlanRemedies remedies_;
};

// The best plan: all deadlines met, then the highest throughput, then the largest slack. The same for the same request.
// Throws PlanError, and ConfigError where the request makes no sense.
[[nodiscard]] Plan make_plan(const PlanRequest& request);

// Up to `count` plans that meet all deadlines, the best first. They differ in who shares with whom; each has the best
// sizes for that. Throws as make_plan does, also where there is none.
[[nodiscard]] std::vector<Plan> plan_candidates(const PlanRequest& request, std::size_t count);

// What is to be expected of partitions that are given: `engines`, `sharing`, and `units`, `is_rest` or `is_whole` of
// each, other members are filled in. Throws ConfigError where they do not fit the device, are no whole groups, leave
// the odd group alone to one of them, or leave an engine out.
[[nodiscard]] Plan predict(const PlanRequest& request, std::span<const PlannedPartition> partitions);

}  // namespace greenlane
