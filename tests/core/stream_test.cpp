#include "core/stream_registry.hpp"

#include <greenlane/core/stream.hpp>

#include <gtest/gtest.h>

namespace greenlane {
namespace {

constexpr std::int64_t kValue = 0x7f00deadbeef0;

TEST(StreamViewTest, AStreamViewHasTheHandleAsAnInteger) {
  const auto stream = StreamView::from_value(kValue);
  EXPECT_EQ(stream.value(), kValue);
  EXPECT_EQ(StreamView(stream.handle()), stream);
}

TEST(StreamViewTest, TheDefaultStreamHasANullHandle) {
  EXPECT_TRUE(StreamView::default_stream().is_default());
  EXPECT_EQ(StreamView::default_stream().value(), 0);
  EXPECT_FALSE(StreamView::from_value(kValue).is_default());
}

TEST(StreamViewTest, EqualHandlesAreEqualStreams) {
  EXPECT_EQ(StreamView::from_value(1), StreamView::from_value(1));
  EXPECT_NE(StreamView::from_value(1), StreamView::from_value(2));
}

TEST(StreamViewTest, AStreamIsShownAsHexadecimal) {
  EXPECT_EQ(to_string(StreamView::from_value(kValue)), "0x7f00deadbeef0");
  EXPECT_EQ(to_string(StreamView::default_stream()), "0x0");
  EXPECT_EQ(to_string(StreamView::from_value(-1)), "0xffffffffffffffff");
}

class StreamRegistryTest : public ::testing::Test {
 protected:
  ~StreamRegistryTest() override { detail::unregister(stream_); }
  StreamView stream_ = StreamView::from_value(kValue);
};

TEST_F(StreamRegistryTest, OnlyAClosedStreamHasAClosedLane) {
  EXPECT_EQ(detail::closed_lane_of(stream_), std::nullopt);
  detail::register_open(stream_, "policy");
  EXPECT_EQ(detail::closed_lane_of(stream_), std::nullopt);
  detail::register_closed(stream_);
  EXPECT_EQ(detail::closed_lane_of(stream_), "policy");
}

TEST_F(StreamRegistryTest, ADestroyedStreamIsForgotten) {
  detail::register_open(stream_, "policy");
  detail::register_closed(stream_);
  detail::unregister(stream_);
  EXPECT_EQ(detail::closed_lane_of(stream_), std::nullopt);
}

TEST_F(StreamRegistryTest, AReopenedStreamIsOpen) {
  detail::register_open(stream_, "policy");
  detail::register_closed(stream_);
  detail::register_open(stream_, "vision");
  EXPECT_EQ(detail::closed_lane_of(stream_), std::nullopt);
}

TEST_F(StreamRegistryTest, ClosingAnUnknownStreamDoesNothing) {
  detail::register_closed(stream_);
  EXPECT_EQ(detail::closed_lane_of(stream_), std::nullopt);
}

}  // namespace
}  // namespace greenlane
