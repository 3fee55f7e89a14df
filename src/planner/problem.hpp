// A request for a plan, checked, with what is known of every engine at every size that a partition can have.
#pragma once

#include "planner/curve.hpp"

#include <greenlane/planner/planner.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

namespace greenlane::detail {

// Bit i: engine i.
using EngineSet = std::uint64_t;

inline constexpr std::size_t kMostPlannedEngines = 64;

[[nodiscard]] constexpr EngineSet only(std::size_t engine) { return EngineSet{1} << engine; }
[[nodiscard]] constexpr EngineSet set_of(std::span<const std::size_t> engines) {
  EngineSet set = 0;
  for (const auto engine : engines) set |= only(engine);
  return set;
}

// How much of the device a partition has.
struct Size {
  int groups = 0;
  bool is_rest = false;   // the remainder, too
  bool is_whole = false;  // undivided
};

class PlanProblem {
 public:
  // Throws ConfigError.
  explicit PlanProblem(const PlanRequest& request);

  struct Engine {
    bool urgent = false;
    bool open = false;  // has a rate
    bool random = false;
    bool can_be_gated = false;
    double period = 0;    // infinite: back to back
    double deadline = 0;  // infinite: best effort
    double weight = 0;
    double solo_mean = 0;  // on the whole device
  };

  [[nodiscard]] std::size_t engines() const noexcept { return engines_.size(); }
  [[nodiscard]] EngineSet all() const noexcept { return ~EngineSet{0} >> (kMostPlannedEngines - engines()); }
  [[nodiscard]] const Engine& engine(std::size_t index) const { return engines_[index]; }
  [[nodiscard]] int groups() const noexcept { return device_.whole; }
  [[nodiscard]] bool has_remainder() const noexcept { return device_.remainder.count > 0; }
  // The fewest groups beside which a partition has the remainder.
  [[nodiscard]] int fewest_groups() const noexcept { return device_.fewest_of_partition(); }
  [[nodiscard]] double margin() const noexcept { return margin_; }
  [[nodiscard]] Units units(Size size) const;
  // As measured alone.
  [[nodiscard]] const Service& alone(std::size_t engine, Size size) const;
  // By which its services take longer while all engines outside of the set run elsewhere.
  [[nodiscard]] double contention(std::size_t engine, EngineSet together) const;
  // No set makes it less.
  [[nodiscard]] double least_contention(std::size_t engine) const;
  // Of these engines, in ascending order; empty where nothing is known to be wrong.
  [[nodiscard]] std::span<const PredictionFactors> corrections(EngineSet block, Sharing sharing) const;
  // No set and no way to share makes a rate more; at least 1.
  [[nodiscard]] double most_rate_correction(std::size_t engine) const;

 private:
  DeviceGroups device_;
  double margin_;
  std::vector<Engine> engines_;
  std::vector<std::vector<Service>> services_;  // by engine, then by number of the size
  ContentionFactors contention_;
  std::map<std::pair<EngineSet, Sharing>, std::vector<PredictionFactors>> corrections_;
};

}  // namespace greenlane::detail
