#include "core/cuda/stream_check.hpp"
#include "support/fake_driver_test.hpp"
#include "support/matchers.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace greenlane {
namespace {

class LaneTest : public fake::FakeDriverTest {};

TEST_F(LaneTest, ALaneOnAPartitionHasAGreenStream) {
  const auto lane = Lane::create(gpu().partition("policy", 8));
  EXPECT_TRUE(fake_.is_green(lane.stream()));
  EXPECT_EQ(lane.units().count, 8);
  EXPECT_FALSE(lane.is_adopted());
}

TEST_F(LaneTest, ALaneOnTheWholeDeviceHasAPlainStream) {
  const auto lane = Lane::create(gpu());
  EXPECT_FALSE(fake_.is_green(lane.stream()));
  EXPECT_EQ(lane.units().count, 132);
  EXPECT_EQ(lane.partition(), std::nullopt);
  EXPECT_FALSE(lane.is_adopted());
}

TEST_F(LaneTest, MakingAPlainStreamKeepsTheCurrentContext) {
  use({.gpus = {fake::Gpu{}, fake::Gpu{}}});
  fake_.push_current(1);
  const auto lane = Lane::create(gpu(0));
  EXPECT_EQ(fake_.device_of(lane.stream()), 0);
  EXPECT_EQ(fake_.current_contexts(), 1);
  fake_.pop_current();
}

TEST_F(LaneTest, TheStreamHasTheRequestedPriority) {
  const auto partition = gpu().partition("policy", 8);
  EXPECT_EQ(fake_.priority_of(Lane::create(partition, {.name = "", .priority = -5}).stream()), -5);
  EXPECT_EQ(fake_.priority_of(Lane::create(gpu(), {.name = "", .priority = -3}).stream()), -3);
  EXPECT_EQ(fake_.priority_of(Lane::create(partition).stream()), 0);
}

TEST_F(LaneTest, ALaneHasItsPartitionsNameByDefault) {
  const auto partition = gpu().partition("policy", 8);
  EXPECT_EQ(Lane::create(partition).name(), "policy");
  EXPECT_EQ(Lane::create(partition, {.name = "fast", .priority = {}}).name(), "fast");
  EXPECT_EQ(Lane::create(gpu()).name(), "cuda:0");
}

TEST_F(LaneTest, LanesOfOnePartitionHaveSeparateStreams) {
  const auto partition = gpu().partition("policy", 8);
  const auto a = Lane::create(partition);
  const auto b = Lane::create(partition);
  EXPECT_NE(a.stream(), b.stream());
  EXPECT_EQ(fake_.sms_of(a.stream()), fake_.sms_of(b.stream()));
  EXPECT_EQ(fake_.live().green_contexts, 1);
}

TEST_F(LaneTest, RunUsesTheCallingThread) {
  const auto lane = Lane::create(gpu());
  std::thread::id where;
  lane.run([&] { where = std::this_thread::get_id(); });
  EXPECT_EQ(where, std::this_thread::get_id());
  EXPECT_THROW(lane.run([] { throw std::invalid_argument("of the work"); }), std::invalid_argument);
}

TEST_F(LaneTest, SynchronizeWaitsForTheStream) {
  const auto owned = Lane::create(gpu());
  const auto adopted = Lane::adopt(gpu(), fake_.make_stream());
  owned.synchronize();
  adopted.synchronize();
  EXPECT_EQ(fake_.calls_of("cuStreamSynchronize"), 2);
}

TEST_F(LaneTest, EveryHandleSeesTheClose) {
  auto lane = Lane::create(gpu());
  const Lane copy = lane;
  EXPECT_FALSE(copy.is_closed());
  lane.close();
  EXPECT_TRUE(copy.is_closed());
  lane.close();
  EXPECT_TRUE(copy.is_closed());
}

TEST_F(LaneTest, TheStreamOfAClosedLaneCannotBeAdopted) {
  auto lane = Lane::create(gpu(), {.name = "policy", .priority = {}});
  const auto stream = lane.stream();
  EXPECT_NO_THROW((void)Lane::adopt(gpu(), stream));
  lane.close();
  EXPECT_THAT([&] { (void)Lane::adopt(gpu(), stream); },
              refuses<StreamError>(to_string(stream), "its lane 'policy' was closed", "use a lane that is open"));
}

TEST_F(LaneTest, AReusedHandleValueCanBeAdopted) {
  std::optional<Lane> lane = Lane::create(gpu());
  const auto value = lane->stream().value();
  lane->close();
  lane.reset();
  const auto stream = fake_.make_stream();
  ASSERT_EQ(stream.value(), value) << "the fake driver did not reuse the handle value";
  EXPECT_NO_THROW((void)Lane::adopt(gpu(), stream));
}

class ShelfTest : public fake::FakeDriverTest {
 protected:
  static Lane open_and_keep(const Device& device, std::optional<int> priority = {}) {
    const auto lane = Lane::create(device.partition("policy", 8), {.name = "", .priority = priority});
    lane.keep_stream();
    return lane;
  }
};

TEST_F(ShelfTest, AStreamIsDestroyedWithItsLane) {
  (void)Lane::create(gpu().partition("policy", 8));
  EXPECT_EQ(fake_.live().streams, 0);
  EXPECT_EQ(fake_.live().green_contexts, 0);
}

TEST_F(ShelfTest, AKeptStreamOutlivesItsLane) {
  const auto stream = open_and_keep(gpu()).stream();
  EXPECT_EQ(fake_.live().streams, 1);
  EXPECT_EQ(fake_.live().green_contexts, 1);
  EXPECT_NO_THROW(fake_.mark(stream)) << "the stream is gone although the caching allocator may still use it";
}

TEST_F(ShelfTest, TheNextLaneReusesAKeptStream) {
  const auto first = open_and_keep(gpu()).stream();
  const auto lane = open_and_keep(gpu());
  EXPECT_EQ(lane.stream(), first);
  EXPECT_FALSE(lane.is_closed());
  EXPECT_EQ(fake_.sms_of(lane.stream()).size(), 8U);
}

TEST_F(ShelfTest, AKeptStreamStaysAfterItsNextLane) {
  const auto first = open_and_keep(gpu()).stream();
  EXPECT_EQ(Lane::create(gpu().partition("policy", 8)).stream(), first);
  EXPECT_EQ(fake_.live().streams, 1);
  EXPECT_NO_THROW(fake_.mark(first)) << "the stream is gone although the caching allocator may still use it";
}

TEST_F(ShelfTest, AThousandLanesUseOneStream) {
  for (int i = 0; i < 1000; ++i) (void)open_and_keep(gpu());
  EXPECT_EQ(fake_.live(), (fake::Live{.primary_retains = 1, .green_contexts = 1, .streams = 1}));
}

TEST_F(ShelfTest, AThousandPlainLanesUseOneStream) {
  for (int i = 0; i < 1000; ++i) Lane::create(gpu()).keep_stream();
  EXPECT_EQ(fake_.live(), (fake::Live{.primary_retains = 1, .streams = 1}));
}

TEST_F(ShelfTest, AStreamOfAnotherPriorityIsNotReused) {
  const auto first = open_and_keep(gpu()).stream();
  const auto urgent = open_and_keep(gpu(), -5);
  EXPECT_NE(urgent.stream(), first);
  EXPECT_EQ(fake_.priority_of(urgent.stream()), -5);
  EXPECT_EQ(fake_.live().green_contexts, 1) << "a second green context was made for the same units";
}

TEST_F(ShelfTest, AStreamOfOtherUnitsIsNotReused) {
  const auto first = open_and_keep(gpu()).stream();
  const auto larger = Lane::create(gpu().partition("vision", 16));
  EXPECT_NE(larger.stream(), first);
  EXPECT_EQ(fake_.sms_of(larger.stream()).size(), 16U);
  const auto plain = Lane::create(gpu());
  EXPECT_NE(plain.stream(), first);
}

TEST_F(ShelfTest, AKeptStreamCannotBeAdopted) {
  const auto stream = open_and_keep(gpu()).stream();
  EXPECT_THAT([&] { (void)Lane::adopt(gpu(), stream); }, refuses<StreamError>("its lane 'policy' was closed"));
}

TEST_F(ShelfTest, AReusedStreamIsOpen) {
  auto lane = open_and_keep(gpu());
  lane.close();
  const auto stream = lane.stream();
  lane = Lane::create(gpu());
  const auto again = open_and_keep(gpu());
  ASSERT_EQ(again.stream(), stream);
  EXPECT_NO_THROW(detail::check_stream_value(stream));
}

}  // namespace
}  // namespace greenlane
