// A checked request for a plan, with the service of every engine at every size that a partition can have.
#pragma once

#include "planner/curve.hpp"

#include <greenlane/detail/planner/planner.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

namespace greenlane::detail {

// A set of engines: bit i stands for engine i.
using EngineSet = std::uint64_t;

inline constexpr std::size_t kMostPlannedEngines = 64;
// The most groups of a device. More take the search longer than anybody waits; a GPU has some 80.
inline constexpr int kMostGroups = 2048;

[[nodiscard]] constexpr EngineSet only(std::size_t engine) { return EngineSet{1} << engine; }
[[nodiscard]] constexpr EngineSet set_of(std::span<const std::size_t> engines) {
  EngineSet set = 0;
  for (const auto engine : engines) set |= only(engine);
  return set;
}

// The part of the device that a partition has.
struct Size {
  int groups = 0;
  bool is_rest = false;   // includes the remainder
  bool is_whole = false;  // undivided
};

class PlanProblem {
 public:
  // Checks the request.
  // Throws: ConfigError.
  explicit PlanProblem(const PlanRequest& request);

  struct Engine {
    bool urgent = false;
    bool open = false;  // has a rate
    bool random = false;
    bool can_be_gated = false;
    double period = 0;    // infinite: back to back
    double deadline = 0;  // infinite: best effort
    double limit = 0;     // of p99 × (1 + margin): the deadline, or less in a part of the search
    double weight = 0;
    double solo_mean = 0;  // on the whole device
  };

  // A path's latency is bounded. See PathDemand.
  struct Path {
    std::vector<std::size_t> engines;
    double waits = 0;
    double deadline = 0;
  };
  [[nodiscard]] const std::vector<Path>& paths() const noexcept { return paths_; }
  // Lowers an engine's limit, for a part of the search.
  void set_limit(std::size_t engine, double limit) { engines_[engine].limit = limit; }

  [[nodiscard]] std::size_t engines() const noexcept { return engines_.size(); }
  [[nodiscard]] EngineSet all() const noexcept { return ~EngineSet{0} >> (kMostPlannedEngines - engines()); }
  [[nodiscard]] const Engine& engine(std::size_t index) const { return engines_[index]; }
  [[nodiscard]] int groups() const noexcept { return device_.whole; }
  [[nodiscard]] bool has_remainder() const noexcept { return device_.remainder.count > 0; }
  // Returns the fewest groups beside which a partition may have the remainder.
  [[nodiscard]] int fewest_groups() const noexcept { return device_.fewest_of_partition(); }
  [[nodiscard]] double margin() const noexcept { return margin_; }
  [[nodiscard]] Units units(Size size) const;
  // Returns the engine's service as measured alone.
  [[nodiscard]] const Service& alone(std::size_t engine, Size size) const;
  // Returns the factor by which the engine's services take longer while all engines outside of the set run elsewhere.
  [[nodiscard]] double contention(std::size_t engine, EngineSet together) const;
  // Returns a lower bound of contention() over all sets.
  [[nodiscard]] double least_contention(std::size_t engine) const;
  // Returns the factors of these engines, in ascending order; empty where no error is known.
  [[nodiscard]] std::span<const PredictionFactors> corrections(EngineSet block, Sharing sharing) const;
  // Returns an upper bound, at least 1, of the engine's rate factors over all sets and ways to share.
  [[nodiscard]] double most_rate_correction(std::size_t engine) const;

 private:
  DeviceGroups device_;
  double margin_;
  std::vector<Engine> engines_;
  std::vector<Path> paths_;
  std::vector<std::vector<Service>> services_;  // by engine, then by number of the size
  ContentionFactors contention_;
  std::map<std::pair<EngineSet, Sharing>, std::vector<PredictionFactors>> corrections_;
};

}  // namespace greenlane::detail
