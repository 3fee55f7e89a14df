// Many threads submit, call, cancel and close at once. Every request must end, and none twice.
// GREENLANE_STRESS sets the number of submits and calls.
#include "runtime/serving/served_engine.hpp"
#include "support/serving.hpp"
#include "support/stress.hpp"

#include <gmock/gmock.h>

#include <atomic>
#include <random>
#include <stdexcept>
#include <thread>
#include <vector>

namespace greenlane::runtime {
namespace {

TEST(ServingStress, EveryRequestEndsOnce) {
  constexpr int kThreads = 32;
  constexpr int kEngines = 4;
  const int rounds = 10;
  const int each = std::max(1, static_cast<int>(stress_count()) / (kThreads * rounds));
  std::atomic<long> ends{0};
  std::atomic<long> submitted{0};
  std::atomic<long> doubles{0};
  std::atomic<long> unended{0};
  for (int round = 0; round < rounds; ++round) {
    std::vector<std::unique_ptr<ServedEngine>> engines;
    for (int i = 0; i < kEngines; ++i) {
      engines.push_back(std::make_unique<ServedEngine>(std::make_shared<FunctionWorkload>(),
                                                       ServingOptions{.name = "e" + std::to_string(i),
                                                                      .deadline = std::chrono::milliseconds(1),
                                                                      .capacity = 8,
                                                                      .stops_on_error = i == 3,
                                                                      .on_miss = [](const Miss&) {}}));
    }
    std::vector<std::vector<std::shared_ptr<Request>>> kept(kThreads);
    {
      std::vector<std::jthread> threads;
      for (int number = 0; number < kThreads; ++number) {
        threads.emplace_back([&, number] {
          std::mt19937 random(static_cast<unsigned>(round * kThreads + number));
          for (int i = 0; i < each; ++i) {
            auto& engine = *engines[random() % kEngines];
            const bool throws = random() % 50 == 0;
            const auto act = [throws] {
              if (throws) throw std::runtime_error("on purpose");
            };
            try {
              if (random() % 4 == 0) {
                (void)engine.call([&] {
                  act();
                  return 0;
                });
                continue;
              }
              auto request = engine.submit(work(act), {.arrival = Clock::now()});
              ++submitted;
              auto heard = std::make_shared<std::atomic<int>>(0);
              request->when_ended([&, heard] {
                ++ends;
                if (heard->fetch_add(1) > 0) ++doubles;
              });
              if (random() % 8 == 0) engine.cancel(*request);
              if (random() % 4 == 0) (void)request->wait_for(std::chrono::microseconds(50));
              kept[static_cast<std::size_t>(number)].push_back(std::move(request));
            } catch (const std::exception&) {
            }
            // Two threads close two of the engines half-way.
            if (number < 2 && i == each / 2) engines[static_cast<std::size_t>(number)]->refuse();
          }
        });
      }
    }
    for (const auto& engine : engines) engine->refuse();
    for (const auto& engine : engines) EXPECT_TRUE(engine->close(Clock::now() + std::chrono::seconds(60)));
    for (const auto& requests : kept) {
      for (const auto& request : requests) {
        if (!request->has_ended()) ++unended;
        if (request->end()) ++unended;
      }
    }
  }
  EXPECT_EQ(unended, 0);
  EXPECT_EQ(doubles, 0);
  EXPECT_EQ(ends, submitted);
  EXPECT_GT(submitted, 0);
}

}  // namespace
}  // namespace greenlane::runtime
