#include "runtime/serving/watchdog.hpp"

#include "support/serving.hpp"

#include <gmock/gmock.h>

#include <memory>
#include <thread>

namespace greenlane::runtime {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(Watchdog, FindsTheEngineThatHangsAndNoOther) {
  const auto door = std::make_shared<Door>();
  const auto workload = std::make_shared<FunctionWorkload>();
  ServedEngine good(workload, {.name = "good", .hang_after = milliseconds(50)});
  ServedEngine bad(workload, {.name = "bad", .hang_after = milliseconds(50)});
  const Watchdog watchdog({&good, &bad});
  good.submit(work(), {.arrival = Clock::now()})->wait();
  EXPECT_FALSE(watchdog.is_broken());
  const auto hanging = bad.submit(work([door] { door->wait(); }), {.arrival = Clock::now()});
  EXPECT_TRUE(hanging->wait_for(seconds(30)));
  EXPECT_FALSE(bad.is_serving());
  EXPECT_TRUE(good.is_serving());
  EXPECT_NO_THROW(good.submit(work(), {.arrival = Clock::now()})->wait());
  while (!watchdog.is_broken()) std::this_thread::yield();
  door->open();
}

}  // namespace
}  // namespace greenlane::runtime
