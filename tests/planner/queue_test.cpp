#include "planner/queue.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace greenlane::detail {
namespace {

using enum Load::Kind;

Load load(Load::Kind kind, double service, double period = kInfinite) {
  return {.kind = kind, .p50 = service, .p99 = service, .mean = service, .period = period};
}

TEST(ResponseInQueue, TheResponseOfASingleEngineIsItsServiceTime) {
  const std::vector loads{load(periodic, 3, 10)};
  EXPECT_DOUBLE_EQ(response_in_queue(loads, 0).p99, 3);
  EXPECT_DOUBLE_EQ(response_in_queue(loads, 0).p50, 3);
}

TEST(ResponseInQueue, APeriodicEngineWaitsForOneRequestOfEach) {
  const std::vector loads{load(periodic, 3, 20), load(periodic, 5, 30), load(closed, 7)};
  for (std::size_t i = 0; i < 3; ++i) EXPECT_DOUBLE_EQ(response_in_queue(loads, i).p99, 15);
}

TEST(ResponseInQueue, RequestsThatArriveMeanwhileCount) {
  // During one long request, up to four short ones arrive. They then follow each other.
  const std::vector loads{load(periodic, 3, 5), load(periodic, 10, 100)};
  EXPECT_GE(response_in_queue(loads, 0).p99, 13);
  EXPECT_LE(response_in_queue(loads, 0).p99, 25);
}

TEST(ResponseInQueue, OtherEnginesRunDuringABacklog) {
  // Five requests of the first engine, each after one of the third engine, and two of the second engine.
  const std::vector loads{load(periodic, 3, 12), load(periodic, 10, 100), load(closed, 5)};
  EXPECT_DOUBLE_EQ(response_in_queue(loads, 0).p99, 5 * (3 + 5) + 2 * 10);
}

TEST(ResponseInQueue, AnOverloadedQueueHasAnInfiniteResponse) {
  EXPECT_EQ(response_in_queue(std::vector{load(periodic, 10, 10)}, 0).p99, kInfinite);
  EXPECT_EQ(response_in_queue(std::vector{load(random, 6, 10), load(random, 5, 10)}, 0).p99, kInfinite);
  // One request of the closed engine goes before each of the engine's own.
  EXPECT_EQ(response_in_queue(std::vector{load(periodic, 3, 10), load(closed, 8)}, 0).p99, kInfinite);
  EXPECT_EQ(response_in_queue(std::vector{load(random, 3, 10), load(closed, 8)}, 0).p99, kInfinite);
}

TEST(ResponseInQueue, TheResponseGrowsWithTheUtilisation) {
  double before = 0;
  for (const double period : {1000.0, 20.0, 5.0, 2.0, 1.25, 1.05}) {
    const auto response = response_in_queue(std::vector{load(random, 1, period)}, 0);
    EXPECT_GT(response.p99, before);
    EXPECT_LE(response.p50, response.p99);
    before = response.p99;
  }
  EXPECT_EQ(response_in_queue(std::vector{load(random, 1, 1000)}, 0).p99, 1);
}

TEST(ResponseOnSharedUnits, TheResponseIsBlockingPlusBusyPeriod) {
  const std::vector alone{load(periodic, 3, 20)};
  EXPECT_DOUBLE_EQ(response_on_shared_units(alone, 0, 2).p99, 5);
  // Five requests of the short engine are within it.
  const std::vector loads{load(periodic, 10, 100), load(periodic, 1, 4)};
  EXPECT_DOUBLE_EQ(response_on_shared_units(loads, 0, 1).p99, 15);
}

TEST(ResponseOnSharedUnits, TheResponseBesideABackToBackEngineIsInfinite) {
  EXPECT_EQ(response_on_shared_units(std::vector{load(periodic, 1, 10), load(closed, 1)}, 0, 0).p99, kInfinite);
  EXPECT_DOUBLE_EQ(response_on_shared_units(std::vector{load(closed, 1)}, 0, 2).p99, 3);
}

// Simulates one server: first come, first served. Each engine has one request in the queue at a time, and enqueues its
// next one when that is done.
std::vector<std::vector<double>> simulate(const std::vector<Load>& loads, double until, std::mt19937& random_bits) {
  struct Source {
    double arrival = 0;  // of its oldest request that is not served yet
    double queued = 0;   // the time when that request came to the queue
  };
  const auto interval = [&](const Load& load) {
    return load.kind == random ? std::exponential_distribution<double>(1 / load.period)(random_bits) : load.period;
  };
  std::vector<Source> sources;
  for (const auto& load : loads) {
    const double phase = load.kind == closed ? 0 : std::uniform_real_distribution<double>(0, load.period)(random_bits);
    sources.push_back({.arrival = phase, .queued = phase});
  }
  std::vector<std::vector<double>> responses(loads.size());
  for (double now = 0; now < until;) {
    const auto next = std::ranges::min_element(sources, {}, &Source::queued);
    const auto i = static_cast<std::size_t>(next - sources.begin());
    now = std::max(now, next->queued) + loads[i].mean;
    responses[i].push_back(now - next->arrival);
    next->arrival = loads[i].kind == closed ? now : next->arrival + interval(loads[i]);
    next->queued = std::max(now, next->arrival);
  }
  return responses;
}

double quantile(std::vector<double> values, double q) {
  const auto position = values.begin() + static_cast<std::ptrdiff_t>(q * static_cast<double>(values.size() - 1));
  std::ranges::nth_element(values, position);
  return *position;
}

TEST(ResponseInQueue, ThePredictionBoundsEverySimulatedPeriodicRequest) {
  std::mt19937 bits(3);
  const auto draw = [&bits](int low, int high) {
    return low + static_cast<int>(bits() % static_cast<unsigned>(high - low + 1));
  };
  int bounded = 0;
  for (int round = 0; round < 300; ++round) {
    std::vector<Load> loads;
    for (int i = draw(1, 4); i > 0; --i) {
      const double service = draw(1, 20);
      loads.push_back(draw(0, 3) == 0 ? load(closed, service) : load(periodic, service, service * draw(12, 200) / 10));
    }
    const auto responses = simulate(loads, 20'000, bits);
    for (std::size_t i = 0; i < loads.size(); ++i) {
      const auto predicted = response_in_queue(loads, i);
      if (!std::isfinite(predicted.p99)) continue;
      EXPECT_LE(std::ranges::max(responses[i]), predicted.p99 * (1 + 1e-9)) << "round " << round;
      ++bounded;
    }
  }
  EXPECT_GT(bounded, 300);
}

TEST(ResponseInQueue, ThePredictionForRandomArrivalsMatchesASimulation) {
  std::mt19937 bits(4);
  for (const double utilisation : {0.05, 0.3, 0.6, 0.8}) {
    for (const bool with_closed : {false, true}) {
      // A closed engine with equally long requests takes half of the available time.
      std::vector<Load> loads{load(random, 1, (with_closed ? 2 : 1) / utilisation)};
      if (with_closed) loads.push_back(load(closed, 1));
      const auto predicted = response_in_queue(loads, 0);
      const double seen = quantile(simulate(loads, 400'000, bits)[0], 0.99);
      EXPECT_GT(predicted.p99, 0.95 * seen) << utilisation << ' ' << with_closed;
      EXPECT_LT(predicted.p99, 1.5 * seen) << utilisation << ' ' << with_closed;
    }
  }
}

TEST(ResponseInQueue, ThePredictionIncludesRareLongRequests) {
  std::mt19937 bits(5);
  const std::vector loads{load(random, 1, 5), load(random, 20, 800)};
  const auto responses = simulate(loads, 1'000'000, bits);
  for (std::size_t i = 0; i < loads.size(); ++i) {
    const double seen = quantile(responses[i], 0.99);
    EXPECT_GT(response_in_queue(loads, i).p99, 0.95 * seen) << i;
    EXPECT_LT(response_in_queue(loads, i).p99, 1.5 * seen) << i;
  }
}

TEST(ResponseInQueue, TheResponseGrowsWithEveryLoadAndRate) {
  std::mt19937 bits(6);
  const auto draw = [&bits](int low, int high) {
    return low + static_cast<int>(bits() % static_cast<unsigned>(high - low + 1));
  };
  for (int round = 0; round < 2000; ++round) {
    std::vector<Load> loads;
    for (int i = draw(1, 5); i > 0; --i) {
      const double service = draw(1, 20);
      const auto kind = std::vector{random, periodic, closed}[static_cast<std::size_t>(draw(0, 2))];
      loads.push_back(load(kind, service, kind == closed ? kInfinite : service * draw(12, 400) / 10));
    }
    auto more = loads;
    auto& changed = more[bits() % more.size()];
    if (draw(0, 1) == 0) {
      changed.period *= 0.8;
    } else {
      changed.mean = changed.p99 = changed.p50 *= 1.2;
    }
    for (std::size_t i = 0; i < loads.size(); ++i) {
      EXPECT_GE(response_in_queue(more, i).p99, response_in_queue(loads, i).p99 * (1 - 1e-6)) << round;
      EXPECT_GE(response_on_shared_units(more, i, 1).p99, response_on_shared_units(loads, i, 1).p99 * (1 - 1e-6))
          << round;
    }
  }
}

}  // namespace
}  // namespace greenlane::detail
