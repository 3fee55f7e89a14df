#include "runtime/plans_to_try.hpp"

#include <algorithm>
#include <utility>

namespace greenlane::runtime {
namespace {

// As best_of has it: what differs by less has the same throughput.
constexpr double kSame = 0.01;
// A sum of p99s can be so many times what is measured.
constexpr double kCaution = 3;
// There are a thousand sets of ten engines.
constexpr std::size_t kMostEnginesToHopeFor = 10;

// The lanes and who runs on them, to know a plan again.
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

// Whether it is predicted to be chosen before what was measured to be best.
bool is_promising(const Plan& plan, const std::vector<PlanCandidate>& candidates) {
  if (candidates.empty()) return true;
  const auto& best = candidates[best_of(candidates)].measured.value();
  if (!best.meets_deadlines || plan.throughput > (1 + kSame) * best.throughput) return true;
  return plan.throughput >= (1 - kSame) * best.throughput && plan.slack > best.slack;
}

// With p99s as short as they could be in all sets of engines that were not seen together yet.
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
    for (const auto sharing : {Sharing::queue, Sharing::gated}) {
      hope.sharing = sharing;
      const auto is_known = [&](const SharingCorrection& known) {
        return known.engines == hope.engines && known.sharing == sharing;
      };
      if (std::ranges::none_of(request.corrections, is_known)) request.corrections.push_back(hope);
    }
  }
  return request;
}

}  // namespace

// Candidates have their best sizes only, so those that were tried are among the best for long: there must be room for
// others behind them.
std::vector<Plan> PlansToTry::next(Kind kind, const PlanResult& so_far, const PipelineConfig& config,
                                   std::size_t most) {
  const auto& request = so_far.request;
  std::vector<Plan> plans;
  for (auto& plan : plan_candidates(kind == hoped_for ? hopeful(request) : request,
                                    kind == first ? most : most + returned_.size())) {
    if (plans.size() == most) break;
    if (kind != first && !is_promising(plan, so_far.candidates)) continue;
    if (!returned_.insert(key_of(with_plan(config, plan))).second) continue;
    // What is only hoped for is not what is predicted.
    plans.push_back(kind == hoped_for ? predict(request, plan.partitions) : std::move(plan));
  }
  return plans;
}

}  // namespace greenlane::runtime
