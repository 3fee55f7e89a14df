// Compares plans with all plans there are. These are written down in another way: sets of blocks by labels, and then
// all sizes and ways to share, one by one. Nothing is put together from best parts.
#include "planner/plan.hpp"
#include "planner/search.hpp"
#include "planner/throughput_bound.hpp"
#include "support/plan_requests.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <optional>
#include <random>

namespace greenlane::detail {
namespace {

using greenlane::testing::random_request;

class AllPlans {
 public:
  explicit AllPlans(const PlanRequest& request) : request_(request), problem_(request), model_(problem_) {
    label(0, {});
  }
  [[nodiscard]] Score best() const { return best_.value(); }

 private:
  void label(std::size_t engine, const std::vector<EngineSet>& blocks) {
    if (engine == problem_.engines()) return divide(blocks, 0, 0, false, {});
    for (std::size_t block = 0; block <= blocks.size(); ++block) {
      auto next = blocks;
      if (block == blocks.size()) next.push_back(0);
      next[block] |= only(engine);
      label(engine + 1, next);
    }
  }

  void divide(const std::vector<EngineSet>& blocks, std::size_t block, int groups, bool has_rest, Score score) {
    if (block == blocks.size()) {
      // The rest takes every group that is left.
      if (has_rest && groups != request_.device.whole) return;
      if (!best_ || better(score, *best_)) best_ = score;
      return;
    }
    const auto go_on = [&](Size size, int taken, bool takes_rest) {
      for (const auto sharing : {Sharing::alone, Sharing::queue, Sharing::gated}) {
        if ((sharing == Sharing::alone) != (std::popcount(blocks[block]) == 1)) continue;
        if (sharing == Sharing::gated && !model_.can_be_gated(blocks[block])) continue;
        const auto part = model_.predict(blocks[block], size, sharing);
        divide(blocks, block + 1, taken, takes_rest,
               {.violation = score.violation + part.violation,
                .throughput = score.throughput + part.throughput,
                .slack = std::min(score.slack, part.slack)});
      }
    };
    if (blocks.size() == 1) return go_on({.is_whole = true}, groups, has_rest);
    for (int own = 0; groups + own <= request_.device.whole; ++own) {
      if (own > 0) go_on({.groups = own}, groups + own, has_rest);
      // The odd group joins a whole one.
      if (own > 0 && !has_rest && request_.device.remainder.count > 0)
        go_on({.groups = own, .is_rest = true}, groups + own, true);
    }
  }

  static bool better(const Score& a, const Score& b) {
    if (a.violation != b.violation) return a.violation < b.violation;
    if (a.throughput != b.throughput) return a.throughput > b.throughput;
    return a.slack > b.slack;
  }

  PlanRequest request_;
  PlanProblem problem_;
  BlockModel model_;
  std::optional<Score> best_;
};

TEST(PlannerSearch, TheSearchFindsTheBestPlan) {
  std::mt19937 random(11);
  const auto draw = [&random](int low, int high) {
    return low + static_cast<int>(random() % static_cast<unsigned>(high - low + 1));
  };
  int met = 0;
  for (int round = 0; round < 10'000; ++round) {
    // Most requests are small, because the number of plans to compare with grows fast.
    const auto request = round % 10 == 0 ? random_request(draw, 5, 5) : random_request(draw, 4, 4);
    const PlanProblem problem(request);
    const auto found = search(problem, 1, request.most_steps);
    ASSERT_TRUE(found.exact);
    const auto best = AllPlans(request).best();
    ASSERT_EQ(found.best.front().score, best) << "round " << round;
    if (best.violation != 0) continue;
    ++met;
    ASSERT_GE(throughput_bound(problem), best.throughput) << "round " << round;
    const auto plan = plan_of(request, problem, found.best.front());
    ASSERT_TRUE(plan.meets_deadlines);
    ASSERT_DOUBLE_EQ(plan.throughput, static_cast<double>(best.throughput) / 1e6);
    ASSERT_EQ(plan.slack, best.slack);
  }
  EXPECT_GT(met, 2'000);
  EXPECT_LT(met, 8'000);
}

TEST(PlannerSearch, ALocalSearchIsRarelyWorse) {
  std::mt19937 random(12);
  const auto draw = [&random](int low, int high) {
    return low + static_cast<int>(random() % static_cast<unsigned>(high - low + 1));
  };
  int missed = 0;
  for (int round = 0; round < 200; ++round) {
    const PlanProblem problem(random_request(draw, 6, 6));
    const auto exact = search(problem, 1, 1'000'000'000).best.front().score;
    const auto local = search(problem, 1, 0);
    ASSERT_FALSE(local.exact);
    ASSERT_FALSE(local.best.front().score > exact);
    if (exact.violation != 0) continue;
    ASSERT_GE(local.throughput_bound, exact.throughput);
    missed += exact > local.best.front().score;
  }
  EXPECT_LT(missed, 10);
}

}  // namespace
}  // namespace greenlane::detail
