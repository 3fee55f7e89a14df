#include "planner/plan.hpp"

#include "planner/curve.hpp"
#include "planner/path_search.hpp"

#include <algorithm>
#include <bit>
#include <set>
#include <string>

namespace greenlane::detail {
namespace {

[[noreturn]] void refuse_plan(const std::string& why, const std::string& remedy) {
  throw ConfigError({.what = "cannot predict these partitions", .why = why, .remedy = remedy});
}

// Returns an engine's priority. A shorter deadline is more urgent, as far as the device tells priorities apart. Best
// effort has 0, and so have all engines of a partition without a gate.
int priority(const PlanRequest& request, const PlannedPartition& partition, std::size_t engine) {
  const auto& deadline = request.engines[engine].deadline;
  if (!deadline || partition.sharing != Sharing::gated) return 0;
  std::set<Microseconds> deadlines;
  for (const auto other : partition.engines) {
    if (const auto& of_other = request.engines[other].deadline) deadlines.insert(*of_other);
  }
  const auto shorter = static_cast<int>(std::distance(deadlines.begin(), deadlines.find(*deadline)));
  const int levels = std::min(static_cast<int>(deadlines.size()), -request.greatest_priority);
  return std::min(-1, shorter - levels);
}

PlannedPartition partition_of(const PlanRequest& request, const PlanProblem& problem, const Block& block) {
  PlannedPartition partition{.name = {},
                             .units = problem.units(block.size),
                             .is_rest = block.size.is_rest,
                             .is_whole = block.size.is_whole,
                             .sharing = block.sharing,
                             .engines = {}};
  for (EngineSet left = block.engines; left != 0; left &= left - 1) {
    const auto engine = static_cast<std::size_t>(std::countr_zero(left));
    partition.engines.push_back(engine);
    if (!partition.name.empty()) partition.name += '+';
    partition.name += request.engines[engine].name;
  }
  return partition;
}

// Makes the partition's name unique. Names of several engines are composed, and an engine may itself be named "a+b".
void make_unique(PlannedPartition& partition, const PlanRequest& request, const Plan& plan) {
  if (partition.engines.size() == 1) return;
  const auto is_taken = [&](const std::string& name) {
    return std::ranges::find(request.engines, name, &EngineDemand::name) != request.engines.end() ||
           std::ranges::find(plan.partitions, name, &PlannedPartition::name) != plan.partitions.end();
  };
  const auto composed = partition.name;
  for (int number = 2; is_taken(partition.name); ++number)
    partition.name = composed + " (" + std::to_string(number) + ")";
}

// Returns the number of groups that a partition has of its own; 0 for the rest.
int whole_groups(const PlanRequest& request, const PlannedPartition& partition) {
  if (partition.is_rest) return 0;
  const int each = request.device.each.count;
  if (each < 1 || partition.units.count < 1 || partition.units.count % each != 0) {
    refuse_plan(std::to_string(partition.units.count) + " units are no whole groups of " + std::to_string(each),
                "round up, or take the rest");
  }
  return partition.units.count / each;
}

EngineSet engines_of(const PlanProblem& problem, const PlannedPartition& partition) {
  EngineSet set = 0;
  for (const auto engine : partition.engines) {
    if (engine >= problem.engines() || (set & only(engine)) != 0)
      refuse_plan("a partition has an engine twice, or one that is not in the request", "name each of them once");
    set |= only(engine);
  }
  return set;
}

}  // namespace

Plan plan_of(const PlanRequest& request, const PlanProblem& problem, const Division& division) {
  Plan plan;
  plan.engines.resize(request.engines.size());
  BlockModel model(problem);
  for (const auto& block : division.blocks) {
    auto partition = partition_of(request, problem, block);
    make_unique(partition, request, plan);
    (void)model.predict(block.engines, block.size, block.sharing);
    for (const auto& prediction : model.engines()) {
      const auto& engine = request.engines[prediction.engine];
      partition.utilisation += prediction.utilisation;
      const bool is_gated = block.sharing == Sharing::gated && !engine.deadline;
      const double in_flight = is_gated ? Curve(engine).at(partition.units).in_flight : 0;
      plan.engines[prediction.engine] = {.name = engine.name,
                                         .partition = plan.partitions.size(),
                                         .lane = block.sharing == Sharing::queue ? partition.name : engine.name,
                                         .priority = priority(request, partition, prediction.engine),
                                         .gated = is_gated,
                                         .in_flight = Microseconds(in_flight),
                                         .p50 = Microseconds(prediction.p50),
                                         .p99 = Microseconds(prediction.p99),
                                         .rate_hz = prediction.rate * 1e6,
                                         .utilisation = prediction.utilisation};
    }
    partition.utilisation = std::min(1.0, partition.utilisation);
    plan.partitions.push_back(std::move(partition));
  }
  const auto [score, p99, latencies] = predict_paths(problem, division);
  for (std::size_t i = 0; i < latencies.size(); ++i)
    plan.paths.push_back({.name = request.paths[i].name, .latency = Microseconds(latencies[i])});
  plan.meets_deadlines = score.violation == 0;
  plan.throughput = static_cast<double>(score.throughput) / 1e6;
  plan.slack = score.slack;
  return plan;
}

Division division_of(const PlanRequest& request, const PlanProblem& problem,
                     std::span<const PlannedPartition> partitions) {
  Division division;
  EngineSet seen = 0;
  int groups = 0;
  const BlockModel model(problem);
  for (const auto& partition : partitions) {
    const Block block{.engines = engines_of(problem, partition),
                      .size = {.groups = partition.is_whole ? 0 : whole_groups(request, partition),
                               .is_rest = partition.is_rest && !partition.is_whole,
                               .is_whole = partition.is_whole},
                      .sharing = partition.sharing};
    if (block.engines == 0) refuse_plan("a partition has no engine", "leave it out");
    if ((seen & block.engines) != 0) refuse_plan("an engine is in two partitions", "name each of them once");
    if (partition.is_whole && partitions.size() > 1)
      refuse_plan("a whole-device partition cannot have others beside it",
                  "divide the device, or put all engines into one partition");
    if ((block.sharing == Sharing::alone) != std::has_single_bit(block.engines))
      refuse_plan("`alone` needs exactly one engine in the partition, and one engine needs `alone`",
                  "choose another way to share");
    if (block.sharing == Sharing::gated && !model.can_be_gated(block.engines))
      refuse_plan("gates need an urgent engine, and slices of every best-effort engine", "put them into one queue");
    seen |= block.engines;
    groups += block.size.groups;
    division.blocks.push_back(block);
  }
  if (seen != problem.all()) refuse_plan("an engine is in no partition", "name each of them once");
  const auto rests = std::ranges::count_if(division.blocks, [](const Block& block) { return block.size.is_rest; });
  if (groups > problem.groups() || rests > 1)
    refuse_plan("they have more than the " + std::to_string(problem.groups()) + " groups of the device",
                "ask for no more than there is");
  for (auto& block : division.blocks) {
    if (!block.size.is_rest) continue;
    block.size.groups = problem.groups() - groups;
    if (problem.units(block.size).count < 1) refuse_plan("nothing is left for the rest", "leave a group to it");
    if (block.size.groups < problem.fewest_groups()) {
      refuse_plan(
          "only the odd group of " + std::to_string(request.device.remainder.count) +
              " units is left for the rest, and alone it is no partition: kernels with thread-block clusters fail "
              "there, cuBLAS's among them",
          "leave a whole group to the rest");
    }
  }
  return division;
}

}  // namespace greenlane::detail
