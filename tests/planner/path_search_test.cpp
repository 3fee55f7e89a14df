// Compares plans of paths with all plans there are, which are written down one by one.
#include "planner/path_search.hpp"

#include "support/matchers.hpp"
#include "support/plan_requests.hpp"

#include <greenlane/detail/planner/limits.hpp>

#include <gmock/gmock.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <optional>
#include <random>

namespace greenlane::detail {
namespace {

using greenlane::testing::kDevice;
using greenlane::testing::parallel;
using greenlane::testing::policy;
using greenlane::testing::random_request;
using greenlane::testing::vision;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class AllPlansOfPaths {
 public:
  explicit AllPlansOfPaths(const PlanRequest& request) : request_(request), problem_(request), model_(problem_) {
    label(0, {});
  }
  [[nodiscard]] Score best() const { return best_.value(); }

 private:
  struct Part {
    std::int64_t violation = 0;
    std::int64_t throughput = 0;
    double slack = 1;
    std::vector<double> p99;
  };

  void label(std::size_t engine, const std::vector<EngineSet>& blocks) {
    if (engine == problem_.engines())
      return divide(blocks, 0, 0, false, {.p99 = std::vector<double>(problem_.engines())});
    for (std::size_t block = 0; block <= blocks.size(); ++block) {
      auto next = blocks;
      if (block == blocks.size()) next.push_back(0);
      next[block] |= only(engine);
      label(engine + 1, next);
    }
  }

  void divide(const std::vector<EngineSet>& blocks, std::size_t block, int groups, bool has_rest, const Part& part) {
    if (block == blocks.size()) {
      // The rest takes every group that is left.
      if (!has_rest || groups == request_.device.whole) finish(part);
      return;
    }
    const auto go_on = [&](Size size, int taken, bool takes_rest) {
      for (const auto sharing : {Sharing::alone, Sharing::queue, Sharing::gated}) {
        if ((sharing == Sharing::alone) != (std::popcount(blocks[block]) == 1)) continue;
        if (sharing == Sharing::gated && !model_.can_be_gated(blocks[block])) continue;
        const auto of_block = model_.predict(blocks[block], size, sharing);
        auto whole = part;
        whole.violation += of_block.violation;
        whole.throughput += of_block.throughput;
        whole.slack = std::min(whole.slack, of_block.slack);
        for (const auto& engine : model_.engines()) whole.p99[engine.engine] = engine.p99;
        divide(blocks, block + 1, taken, takes_rest, whole);
      }
    };
    if (blocks.size() == 1) return go_on({.is_whole = true}, groups, has_rest);
    for (int own = 1; groups + own <= request_.device.whole; ++own) {
      go_on({.groups = own}, groups + own, has_rest);
      if (!has_rest && request_.device.remainder.count > 0) go_on({.groups = own, .is_rest = true}, groups + own, true);
    }
  }

  void finish(Part part) {
    for (const auto& path : request_.paths) {
      double sum = 0;
      for (const auto engine : path.engines) sum += part.p99[engine];
      const double waits = path.waits.count();
      const double deadline = path.deadline.count();
      const double needed = sum * (1 + request_.margin) + waits;
      // Only plans that meet all deadlines are compared.
      if (exceeds(needed, deadline)) ++part.violation;
      part.slack = std::min(part.slack, 1 - (sum + waits) / deadline);
    }
    const Score score{.violation = part.violation, .throughput = part.throughput, .slack = part.slack};
    if (!best_ || score > *best_) best_ = score;
  }

  PlanRequest request_;
  PlanProblem problem_;
  BlockModel model_;
  std::optional<Score> best_;
};

// Makes small partitions nearly as fast as large ones, so that the best plans have several.
void flatten(PlanRequest& request) {
  const auto& device = request.device;
  const double all = device.whole * device.each.count + device.remainder.count;
  for (auto& engine : request.engines) {
    for (auto& point : engine.curve) {
      const double factor = std::pow(point.units.count / all, 0.8);
      point.p50 *= factor;
      point.p99 *= factor;
      point.mean *= factor;
    }
  }
}

// Adds paths over random engines with deadlines. Most are hard to meet, but not impossible.
template <typename Draw>
void add_random_paths(const Draw& draw, PlanRequest& request) {
  std::vector<std::size_t> urgent;
  for (std::size_t i = 0; i < request.engines.size(); ++i) {
    if (request.engines[i].deadline) urgent.push_back(i);
  }
  if (urgent.empty()) return;
  for (int left = draw(1, 2); left > 0; --left) {
    PathDemand path{.name = std::string(1, static_cast<char>('p' + left)), .engines = {}};
    double alone = 0;
    for (const auto engine : urgent) {
      if (draw(0, 3) == 0) continue;
      path.engines.push_back(engine);
      alone += std::ranges::max(request.engines[engine].curve, {}, &LatencyPoint::units).p99.count();
    }
    if (path.engines.empty()) continue;
    path.waits = Microseconds(draw(0, 1) * draw(1, 100));
    path.deadline = path.waits + Microseconds(alone * draw(10, 60) / 10);
    request.paths.push_back(std::move(path));
  }
}

TEST(PathSearch, ItFindsTheBestPlan) {
  std::mt19937 random(21);
  const auto draw = [&random](int low, int high) {
    return low + static_cast<int>(random() % static_cast<unsigned>(high - low + 1));
  };
  int with_paths = 0;
  int met = 0;
  int bound = 0;
  for (int round = 0; with_paths < 10'000; ++round) {
    auto request = random_request(draw, 4, 5);
    if (round % 2 == 0) flatten(request);
    add_random_paths(draw, request);
    if (request.paths.empty()) continue;
    ++with_paths;
    const PlanProblem problem(request);
    const auto found = search_with_paths(problem, 1, request.most_steps);
    ASSERT_TRUE(found.exact);
    const auto best = AllPlansOfPaths(request).best();
    ASSERT_EQ(found.best.front().score.violation == 0, best.violation == 0) << "round " << round;
    if (best.violation != 0) continue;
    ++met;
    ASSERT_EQ(found.best.front().score, best) << "round " << round;
    bound += search(problem, 1, request.most_steps).best.front().score != best;
  }
  EXPECT_GT(met, 2'000);
  EXPECT_GT(bound, 500) << "the paths changed too few plans";
}

PlanRequest from_camera_to_action(microseconds deadline, microseconds waits = {}) {
  return {.device = kDevice,
          .engines = {policy(), vision()},
          .paths = {{.name = "act", .engines = {1, 0}, .waits = waits, .deadline = deadline}}};
}

TEST(PathSearch, APathsLatencyIsTheSumOfItsEngines) {
  const auto plan = make_plan(from_camera_to_action(milliseconds(15), milliseconds(5)));
  ASSERT_EQ(plan.paths.size(), 1U);
  EXPECT_EQ(plan.paths[0].name, "act");
  EXPECT_DOUBLE_EQ(plan.paths[0].latency.count(), (plan.engines[0].p99 + plan.engines[1].p99).count() + 5000);
  EXPECT_LE(plan.slack, 1 - plan.paths[0].latency / milliseconds(15));
}

// Alone, vision may have a few groups. The path needs it to be faster.
TEST(PathSearch, APathBoundsItsEngines) {
  auto request = from_camera_to_action(microseconds(2000));
  request.engines.push_back({.name = "head", .curve = parallel(680'000, {8, 16, 24, 32, 40, 48, 56, 64, 68})});
  const auto plan = make_plan(request);
  EXPECT_LE(plan.paths[0].latency * 1.1, microseconds(2000));
  request.paths.clear();
  const auto without = make_plan(request);
  EXPECT_GT(without.engines[1].p99, plan.engines[1].p99);
  EXPECT_GE(without.throughput, plan.throughput);
}

TEST(PathSearch, AnImpossiblePathIsNamedWithTheShortfall) {
  try {
    (void)make_plan(from_camera_to_action(microseconds(900), microseconds(500)));
    FAIL() << "there is no such plan";
  } catch (const PlanError& error) {
    EXPECT_THAT(error.what(), HasSubstr("path 'act' over 'vision', 'policy' exceeds its deadline of 0.9 ms by"));
    EXPECT_THAT(error.what(), HasSubstr("0.5 ms of them waits for timers"));
    ASSERT_EQ(error.shortfalls().size(), 1U);
    EXPECT_TRUE(error.shortfalls()[0].is_path);
    ASSERT_EQ(error.remedies().deadlines.size(), 1U);
    auto request = from_camera_to_action(microseconds(900), microseconds(500));
    request.paths[0].deadline = error.remedies().deadlines[0];
    EXPECT_TRUE(make_plan(request).meets_deadlines) << "the remedy does not do";
  }
}

TEST(PathSearch, ImpossibleDemandsAreRefused) {
  const auto refused = [](auto change) {
    auto request = from_camera_to_action(milliseconds(9));
    change(request);
    try {
      (void)make_plan(request);
    } catch (const ConfigError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_THAT(refused([](auto& request) { request.paths[0].engines = {}; }), HasSubstr("has no engine"));
  EXPECT_THAT(refused([](auto& request) { request.paths[0].engines = {0, 0}; }), HasSubstr("an engine twice"));
  EXPECT_THAT(refused([](auto& request) { request.paths[0].engines = {7}; }), HasSubstr("not in the request"));
  EXPECT_THAT(refused([](auto& request) { request.paths[0].deadline = {}; }), HasSubstr("no positive deadline"));
  EXPECT_THAT(refused([](auto& request) { request.paths[0].waits = Microseconds(-1); }), HasSubstr("impossible wait"));
  EXPECT_THAT(refused([](auto& request) { request.engines[0].deadline.reset(); }), HasSubstr("has no deadline"));
}

}  // namespace
}  // namespace greenlane::detail
