#include "planner/block.hpp"

#include <greenlane/detail/core/short_call.hpp>
#include <greenlane/detail/planner/limits.hpp>

#include <algorithm>
#include <bit>
#include <cmath>

namespace greenlane::detail {
namespace {

// Replaces infinite values, so that sums stay within 64 bits.
constexpr double kMost = 1e9;

std::int64_t millionths(double value) { return std::llround(std::min(value, kMost) * 1e6); }

}  // namespace

std::int64_t excess(double needed, double limit) {
  return exceeds(needed, limit) ? std::max<std::int64_t>(1, millionths(needed / limit - 1)) : 0;
}

namespace {

Load::Kind kind_of(const PlanProblem::Engine& engine) {
  if (!engine.open) return Load::Kind::closed;
  return engine.random ? Load::Kind::random : Load::Kind::periodic;
}

}  // namespace

bool BlockModel::can_be_gated(EngineSet block) const {
  bool has_urgent = false;
  for (EngineSet left = block; left != 0; left &= left - 1) {
    const auto& engine = problem_->engine(static_cast<std::size_t>(std::countr_zero(left)));
    if (!engine.urgent && !engine.can_be_gated) return false;
    has_urgent |= engine.urgent;
  }
  return has_urgent && std::popcount(block) > 1;
}

Score BlockModel::predict(EngineSet block, Size size, Sharing sharing) {
  services_.clear();
  predictions_.clear();
  loads_.clear();
  claims_.clear();
  for (EngineSet left = block; left != 0; left &= left - 1) {
    const auto index = static_cast<std::size_t>(std::countr_zero(left));
    const double factor = problem_->contention(index, block);
    Service service = problem_->alone(index, size);
    service.p50 *= factor;
    service.p99 *= factor;
    service.mean *= factor;
    service.device *= factor;
    service.in_flight *= factor;
    services_.push_back(service);
    predictions_.push_back({.engine = index});
  }
  if (sharing == Sharing::gated) {
    gated(size);
  } else {
    in_queue();
  }
  if (const auto factors = problem_->corrections(block, sharing); !factors.empty()) correct(factors);
  return score();
}

// Applies the corrections after the model and apart from it. A block's prediction then depends on nothing but the
// block, which the search needs.
void BlockModel::correct(std::span<const PredictionFactors> factors) {
  for (std::size_t i = 0; i < predictions_.size(); ++i) {
    auto& prediction = predictions_[i];
    prediction.p99 *= factors[i].p99;
    // Deadlines are held against the tail, so the median gives way.
    prediction.p50 = std::min(prediction.p50 * factors[i].p50, prediction.p99);
    const auto& engine = problem_->engine(prediction.engine);
    if (engine.urgent || prediction.rate <= 0) continue;
    double rate = prediction.rate * factors[i].rate;
    if (engine.open) rate = std::min(rate, 1 / engine.period);
    // An engine that is served more often than its time seemed to allow has used that time better, not more than all of
    // it.
    prediction.utilisation =
        std::min(prediction.utilisation * rate / prediction.rate, std::max(1.0, prediction.utilisation));
    prediction.rate = rate;
  }
}

// Shares out time by max-min fairness: all get the same level, and none gets more than its demand.
void BlockModel::share_out(double available) {
  std::ranges::sort(claims_, {}, [](const Claim& claim) { return claim.demand / claim.usage; });
  double usage = 0;
  for (const auto& claim : claims_) usage += claim.usage;
  double left = std::max(0.0, available);
  for (auto& claim : claims_) {
    level_ = left / usage;
    claim.got = std::min(level_ * claim.usage, claim.demand);
    left -= claim.got;
    usage -= claim.usage;
  }
}

// Predicts engines that take turns. Engines that always have a request waiting are served equally often.
void BlockModel::in_queue() {
  for (std::size_t i = 0; i < predictions_.size(); ++i) {
    const auto& engine = problem_->engine(predictions_[i].engine);
    const auto& service = services_[i];
    const bool is_open = engine.urgent && engine.open;
    // A best-effort engine with a rate may fall behind, and then always has a request waiting.
    loads_.push_back({.kind = is_open ? kind_of(engine) : Load::Kind::closed,
                      .p50 = service.p50,
                      .p99 = service.p99,
                      .mean = service.mean,
                      .period = engine.period});
    if (!is_open)
      claims_.push_back(
          {.member = i, .usage = service.mean, .demand = engine.open ? service.mean / engine.period : kInfinite});
  }
  share_out(1 - open_utilisation(loads_));
  for (std::size_t i = 0; i < predictions_.size(); ++i) {
    const auto response = response_in_queue(loads_, i);
    predictions_[i].p50 = response.p50;
    predictions_[i].p99 = response.p99;
    predictions_[i].utilisation = services_[i].mean / loads_[i].period;
    predictions_[i].rate = 1 / loads_[i].period;
  }
  for (const auto& claim : claims_) {
    auto& prediction = predictions_[claim.member];
    prediction.utilisation = claim.got;
    prediction.rate = claim.got / services_[claim.member].mean;
    if (claim.got < claim.demand * (1 - 1e-9) && loads_[claim.member].period != kInfinite)
      prediction.p50 = prediction.p99 = kInfinite;  // its requests pile up
  }
}

// Returns the time that one call of an urgent engine costs a best-effort engine behind the gate.
double BlockModel::price(std::size_t urgent, std::size_t best_effort, Size size) const {
  // A rehearsal closes the gate ahead of a periodic call, by this share of the period at most.
  constexpr double kMostEarly = 1.0 / 8;
  const auto& engine = problem_->engine(predictions_[urgent].engine);
  const auto& call = services_[urgent];
  if (!std::isfinite(call.device)) return call.mean;
  // A short call passes beside best effort, or holds it for little more than its own time. Latencies without contention
  // decide which calls are short, so that less contention raises no price.
  const bool is_short =
      is_short_call(problem_->alone(predictions_[urgent].engine, size).mean,
                    problem_->alone(predictions_[best_effort].engine, size).in_flight, engine.deadline);
  if (is_short) return std::min(call.device, call.mean);
  const bool is_expected = kind_of(engine) == Load::Kind::periodic;
  return call.mean + (is_expected ? std::min(services_[best_effort].in_flight, engine.period * kMostEarly) : 0);
}

// Returns the share of the time that urgent engines leave a best-effort engine behind the gate.
double BlockModel::left_to(std::size_t best_effort, Size size) const {
  double left = 1;
  for (std::size_t i = 0; i < predictions_.size(); ++i) {
    const auto& engine = problem_->engine(predictions_[i].engine);
    if (!engine.urgent) continue;
    if (!engine.open) return 0;  // an engine that is back to back never opens the gate
    left -= price(i, best_effort, size) / engine.period;
  }
  return std::max(0.0, left);
}

// Predicts engines at a gate. Urgent engines run beside each other. Best-effort engines run beside each other too, and
// each gets the same share of the time that urgent engines leave to it.
void BlockModel::gated(Size size) {
  double blocking = 0;
  for (std::size_t i = 0; i < predictions_.size(); ++i) {
    const auto& engine = problem_->engine(predictions_[i].engine);
    const auto& service = services_[i];
    if (engine.urgent) {
      loads_.push_back({.kind = kind_of(engine),
                        .p50 = service.p50,
                        .p99 = service.p99,
                        .mean = service.mean,
                        .period = engine.period});
    } else {
      blocking += service.in_flight;
      const double left = left_to(i, size);
      const double needed = engine.open ? service.mean / (1 - service.overhead) / engine.period : kInfinite;
      claims_.push_back({.member = i, .usage = 1, .demand = left > 0 ? needed / left : kInfinite, .left = left});
    }
  }
  share_out(1);

  double busy = 0;  // the longest time for which urgent engines hold best effort
  std::size_t urgent = 0;
  for (std::size_t i = 0; i < predictions_.size(); ++i) {
    auto& prediction = predictions_[i];
    const auto& engine = problem_->engine(prediction.engine);
    if (!engine.urgent) continue;
    const auto response = response_on_shared_units(loads_, urgent++, blocking);
    prediction.p50 = response.p50;
    prediction.p99 = response.p99;
    prediction.rate = engine.open ? 1 / engine.period : 1 / services_[i].mean;
    prediction.utilisation = prediction.rate * services_[i].mean;
    busy = std::max(busy, response.p99);
  }
  for (const auto& claim : claims_) {
    auto& prediction = predictions_[claim.member];
    const auto& service = services_[claim.member];
    prediction.utilisation = claim.got * claim.left;
    prediction.rate = prediction.utilisation * (1 - service.overhead) / service.mean;
    const bool falls_behind = claim.got < claim.demand * (1 - 1e-9) && claim.demand != kInfinite;
    const double share = level_ * claim.left;
    const double slower = falls_behind || share <= 0 ? kInfinite : 1 / (share * (1 - service.overhead));
    prediction.p50 = service.p50 * slower;
    prediction.p99 = service.p99 * slower + busy;
  }
}

Score BlockModel::score() const {
  Score score;
  double throughput = 0;
  for (const auto& prediction : predictions_) {
    const auto& engine = problem_->engine(prediction.engine);
    if (engine.urgent) {
      const double needed = prediction.p99 * (1 + problem_->margin());
      score.violation += excess(needed, engine.limit);
      score.slack = std::min(score.slack, std::max(-kMost, 1 - prediction.p99 / engine.deadline));
    } else {
      throughput += engine.weight * prediction.rate * engine.solo_mean;
    }
  }
  score.throughput = millionths(throughput);
  return score;
}

}  // namespace greenlane::detail
