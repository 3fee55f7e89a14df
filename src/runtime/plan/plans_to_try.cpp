#include "runtime/plan/plans_to_try.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

namespace greenlane::runtime {
namespace {

// A predicted p99 may be up to this many times the measured one, because it is a sum of p99s.
constexpr double kCaution = 3;
// There are a thousand sets of ten engines, and more would take too long.
constexpr std::size_t kMostEnginesToHopeFor = 10;
// Plans that are further away are reached in several steps, if each step is better than the one before.
constexpr int kMostGroupsToMove = 2;
// Predictions of the same partitions at neighbouring sizes have the same error, within these shares of a deadline and
// of throughput.
constexpr double kMuchLater = 0.1;
constexpr double kClearlyLess = 0.03;

// Returns a text that identifies a plan by its lanes and their engines.
std::string key_of(const PipelineConfig& config) {
  std::string key;
  for (const auto& lane : config.lanes) {
    key += lane.name + '=' + lane.beside;
    if (lane.units) key += lane.units->is_rest() ? "rest" : std::to_string(lane.units->units().count);
    key += ';';
  }
  for (const auto& engine : config.engines) key += engine.name + '@' + engine.lane + ';';
  return key;
}

// Returns true where the plan is predicted to be chosen before the best one that was measured.
bool is_promising(const Plan& plan, const std::vector<PlanCandidate>& candidates) {
  if (candidates.empty()) return true;
  const auto& best = candidates[best_of(candidates)].measured.value();
  if (!best.has_margin || plan.throughput > (1 + kSameThroughput) * best.throughput) return true;
  return plan.throughput >= (1 - kSameThroughput) * best.throughput && plan.slack > best.slack;
}

// Returns the request with p99s as short as they could be, for all sets of engines that were not measured together yet.
// A queue behind an engine that always has a request under way gets no such hope: a run in which that engine's requests
// happened to end when others came would be luck.
PlanRequest hopeful(PlanRequest request) {
  const auto engines = request.engines.size();
  if (engines > kMostEnginesToHopeFor) return request;
  for (std::size_t set = 0; set < std::size_t{1} << engines; ++set) {
    SharingCorrection hope;
    for (std::size_t engine = 0; engine < engines; ++engine) {
      if ((set >> engine & 1U) != 0) hope.engines.push_back(engine);
    }
    if (hope.engines.size() < 2) continue;
    hope.factors.assign(hope.engines.size(), {.p50 = 1, .p99 = 1 / kCaution, .rate = 1});
    const bool is_never_idle =
        std::ranges::any_of(hope.engines, [&](std::size_t engine) { return !request.engines[engine].period; });
    for (const auto sharing : {Sharing::queue, Sharing::gated}) {
      if (sharing == Sharing::queue && is_never_idle) continue;
      hope.sharing = sharing;
      const auto is_known = [&](const SharingCorrection& known) {
        return known.engines == hope.engines && known.sharing == sharing;
      };
      if (std::ranges::none_of(request.corrections, is_known)) request.corrections.push_back(hope);
    }
  }
  return request;
}

// Returns true for a plan that is clearly worse than the best one. Both are predicted with the same corrections. If the
// best one misses deadlines or their margin, a plan may give up throughput to meet them.
bool is_hopeless(const Plan& plan, const Plan& best, bool does_best_meet) {
  if (plan.slack < std::min(0.0, best.slack) - kMuchLater) return true;
  return does_best_meet && plan.throughput < (1 - kClearlyLess) * best.throughput;
}

std::vector<int> groups_of(const DeviceGroups& device, const std::vector<PlannedPartition>& partitions) {
  std::vector<int> groups;
  int left = device.whole;
  for (const auto& partition : partitions) {
    groups.push_back(partition.is_rest ? 0 : partition.units.count / device.each.count);
    left -= groups.back();
  }
  for (std::size_t i = 0; i < partitions.size(); ++i) {
    if (partitions[i].is_rest) groups[i] = left;
  }
  return groups;
}

// Returns the plans next to the best measured one that are not hopeless, the best first.
std::vector<Plan> neighbours(const PlanResult& so_far) {
  std::vector<Plan> plans;
  if (so_far.candidates.empty()) return plans;
  const auto& best = so_far.candidates[best_of(so_far.candidates)];
  if (!best.plan || best.plan->partitions.size() < 2) return plans;
  const bool does_best_meet = best.measured.value().has_margin;
  const auto& device = so_far.request.device;
  const auto& partitions = best.plan->partitions;
  const auto groups = groups_of(device, partitions);
  const auto as_it_is = predict(so_far.request, partitions);
  const auto move = [&](std::size_t from, std::size_t to, int count) {
    auto moved = partitions;
    moved[from].units.count -= count * device.each.count;
    moved[to].units.count += count * device.each.count;
    auto plan = predict(so_far.request, moved);
    if (!is_hopeless(plan, as_it_is, does_best_meet)) plans.push_back(std::move(plan));
  };
  for (std::size_t from = 0; from < partitions.size(); ++from) {
    for (std::size_t to = 0; to < partitions.size(); ++to) {
      for (int count = 1; from != to && count <= std::min(kMostGroupsToMove, groups[from] - 1); ++count)
        move(from, to, count);
    }
  }
  // Orders plans as best_of() does: by throughput, or by slack where deadlines are missed.
  const auto worth = [&](const Plan& plan) {
    const bool is_near = plan.meets_deadlines || does_best_meet;
    return std::tuple(plan.meets_deadlines, is_near ? plan.throughput : plan.slack, plan.slack);
  };
  std::ranges::stable_sort(plans, std::ranges::greater(), worth);
  return plans;
}

}  // namespace

bool PlansToTry::note(const PipelineConfig& config) { return returned_.insert(key_of(config)).second; }

// Candidates have only their best sizes, so plans that were tried long remain among the best. The number that is asked
// for leaves room for others behind them.
std::vector<Plan> PlansToTry::next(Kind kind, const PlanResult& so_far, const PipelineConfig& config,
                                   std::size_t most) {
  const auto& request = so_far.request;
  const auto candidates = [&] {
    if (kind == nearby) return neighbours(so_far);
    return plan_candidates(kind == hoped_for ? hopeful(request) : request,
                           kind == first ? most : most + returned_.size());
  };
  const bool is_looked_for = kind == predicted || kind == hoped_for;
  std::vector<Plan> plans;
  for (auto& plan : candidates()) {
    if (plans.size() == most) break;
    if (is_looked_for && !is_promising(plan, so_far.candidates)) continue;
    if (!note(with_plan(config, plan))) continue;
    // A plan that is only hoped for gets the prediction without the hope.
    plans.push_back(kind == hoped_for ? predict(request, plan.partitions) : std::move(plan));
  }
  return plans;
}

}  // namespace greenlane::runtime
