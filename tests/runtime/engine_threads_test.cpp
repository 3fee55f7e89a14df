#include "runtime/engine_threads.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace greenlane::runtime {
namespace {

using ::testing::ElementsAre;

TEST(EngineThreads, WarmUpAndServiceUseTheSameThread) {
  std::vector<std::thread::id> warmed(3);
  std::vector<std::thread::id> served(3);
  EngineThreads threads;
  for (std::size_t i = 0; i < warmed.size(); ++i) {
    threads.add([&, i] { warmed[i] = std::this_thread::get_id(); },
                [&, i](const Timetable&) { served[i] = std::this_thread::get_id(); });
  }
  threads.start({});
  threads.join();
  EXPECT_EQ(warmed, served);
  EXPECT_NE(warmed[0], warmed[1]);
  EXPECT_NE(warmed[0], std::this_thread::get_id());
}

TEST(EngineThreads, EnginesServeAfterAllAreWarm) {
  std::vector<std::string> order;  // no lock, because the order of the threads is under test
  std::atomic<int> served{0};
  const auto now = Clock::now();
  EngineThreads threads;
  for (const auto* name : {"a", "b"}) {
    threads.add([&, name] { order.emplace_back(name); },
                [&](const Timetable& timetable) { served += timetable.begin == now ? 1 : 0; });
  }
  order.emplace_back("start");
  EXPECT_EQ(served, 0);
  Timetable timetable;
  timetable.begin = now;
  threads.start(timetable);
  threads.join();
  EXPECT_THAT(order, ElementsAre("a", "b", "start"));
  EXPECT_EQ(served, 2) << "an engine did not get the timetable of the start";
}

TEST(EngineThreads, AFailedWarmUpServesNothing) {
  std::atomic<int> served{0};
  {
    EngineThreads threads;
    threads.add([] {}, [&](const Timetable&) { ++served; });
    EXPECT_THROW(threads.add([] { throw std::runtime_error("no"); }, [&](const Timetable&) { ++served; }),
                 std::runtime_error);
  }
  EXPECT_EQ(served, 0);
}

}  // namespace
}  // namespace greenlane::runtime
