#include "runtime/edges/outlet.hpp"

#include "support/edges.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace greenlane::runtime {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(Outlet, ValuesGoToAllEdgesInTheirOrder) {
  const auto one = std::make_shared<Intake>(std::vector<EdgeOptions>{{.queue = 4}});
  const auto other = std::make_shared<Intake>(std::vector<EdgeOptions>{{}, {}});
  Outlet outlet;
  outlet.attach(one, 0);
  outlet.attach(other, 1);
  EXPECT_EQ(outlet.publish(numbers({7}), {}, 0).value->sequence, 1U);
  EXPECT_EQ(outlet.publish(numbers({8}), {}, 0).value->sequence, 2U);
  EXPECT_EQ(number(one->take().values.at(0)), 7U);
  EXPECT_EQ(other->take().missing, 0U);
  EXPECT_EQ(number(outlet.latest()), 8U);
}

TEST(Outlet, AWaitEndsWithANewerValue) {
  Outlet outlet;
  EXPECT_EQ(outlet.wait_for_newer(0, Clock::now() + milliseconds(1)), nullptr);
  (void)outlet.publish(numbers({1}), {}, 0);
  EXPECT_EQ(number(outlet.wait_for_newer(0, Clock::time_point::max())), 1U);
  std::jthread producer([&] { (void)outlet.publish(numbers({2}), {}, 0); });
  EXPECT_EQ(number(outlet.wait_for_newer(1, Clock::now() + seconds(30))), 2U);
}

TEST(Outlet, CloseEndsAWait) {
  Outlet outlet;
  std::jthread closer([&] { outlet.close(); });
  EXPECT_EQ(outlet.wait_for_newer(0, Clock::time_point::max()), nullptr);
  EXPECT_TRUE(outlet.is_closed());
  EXPECT_EQ(outlet.latest(), nullptr);
}

TEST(Outlet, OneFullQueueThatBlocksIsEnoughToWaitFor) {
  const auto blocking = std::make_shared<Intake>(std::vector<EdgeOptions>{{.queue = 1, .overflow = Overflow::block}});
  const auto dropping = std::make_shared<Intake>(std::vector<EdgeOptions>{{.queue = 1}});
  Outlet outlet;
  outlet.attach(blocking, 0);
  outlet.attach(dropping, 0);
  EXPECT_TRUE(outlet.has_room());
  (void)outlet.publish(numbers({1}), {}, 0);
  EXPECT_FALSE(outlet.has_room());
  EXPECT_FALSE(outlet.wait_for_room(Clock::now() + milliseconds(1)));
  (void)blocking->take();
  EXPECT_TRUE(outlet.wait_for_room(Clock::time_point::max()));
}

TEST(Outlet, EarlyEdgesGetAValueBeforeAllOthers) {
  const auto early = std::make_shared<Intake>(std::vector<EdgeOptions>{{.queue = 4}});
  const auto other = std::make_shared<Intake>(std::vector<EdgeOptions>{{.queue = 1, .overflow = Overflow::reject}});
  Outlet outlet;
  outlet.attach(other, 0);
  outlet.attach(early, 0, /*early=*/true);
  auto published = outlet.begin(numbers({7}, /*is_done=*/false), {}, 0);
  EXPECT_EQ(published.value->sequence, 1U);
  EXPECT_EQ(number(early->take().values.at(0)), 7U);
  EXPECT_EQ(other->take().missing, 0U);
  EXPECT_EQ(outlet.latest(), nullptr) << "a sink sees results that are there";
  outlet.complete(published);
  EXPECT_TRUE(published.was_taken);
  EXPECT_EQ(number(outlet.latest()), 7U);
  EXPECT_FALSE(outlet.publish(numbers({8}), {}, 0).was_taken) << "one edge rejected it";
  EXPECT_EQ(number(early->take().values.at(0)), 8U);
  EXPECT_EQ(number(other->take().values.at(0)), 7U);
}

}  // namespace
}  // namespace greenlane::runtime
