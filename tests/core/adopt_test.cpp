#include "support/fake_driver_test.hpp"
#include "support/matchers.hpp"

#include <gtest/gtest.h>

namespace greenlane {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class AdoptTest : public fake::FakeDriverTest {
 protected:
  auto adopting(StreamView stream, int device = 0) {
    return [=] { (void)Lane::adopt(gpu(device), stream); };
  }
};

TEST_F(AdoptTest, AnAdoptedLaneHasTheCallersStream) {
  const auto stream = fake_.make_stream();
  const auto lane = Lane::adopt(gpu(), stream);
  EXPECT_EQ(lane.stream(), stream);
  EXPECT_TRUE(lane.is_adopted());
  EXPECT_EQ(lane.partition(), std::nullopt);
  EXPECT_EQ(lane.units().count, 132);
  EXPECT_EQ(lane.name(), "stream " + to_string(stream));
  EXPECT_EQ(Lane::adopt(gpu(), stream, {.name = "mine", .priority = {}}).name(), "mine");
}

TEST_F(AdoptTest, AnAdoptionMakesAndDestroysNothing) {
  const auto stream = fake_.make_stream();
  {
    auto lane = Lane::adopt(gpu(), stream);
    lane.keep_stream();
    lane.close();
    EXPECT_EQ(fake_.live(), fake::Live{});
  }
  EXPECT_NO_THROW(fake_.mark(stream));
}

TEST_F(AdoptTest, AStreamMayBeAdoptedAgainAfterClose) {
  const auto stream = fake_.make_stream();
  auto lane = Lane::adopt(gpu(), stream);
  lane.close();
  EXPECT_NO_THROW((void)Lane::adopt(gpu(), stream));
}

TEST_F(AdoptTest, ABindingKeepsTheStreamsOwnerAlive) {
  auto owner = std::make_shared<int>(0);
  std::weak_ptr<int> watch = owner;
  std::optional<Lane> lane = Lane::adopt(gpu(), fake_.make_stream(), {}, std::move(owner));
  StreamBinding binding(gpu(), "engine");
  binding.set(*lane);
  lane.reset();
  EXPECT_FALSE(watch.expired());
  binding.clear();
  EXPECT_TRUE(watch.expired());
}

TEST_F(AdoptTest, KeepStreamHoldsTheLastOwnerOfAStream) {
  const auto stream = fake_.make_stream();
  std::vector<std::weak_ptr<int>> watch;
  for (int i = 0; i < 3; ++i) {
    auto owner = std::make_shared<int>(0);
    watch.emplace_back(owner);
    Lane::adopt(gpu(), stream, {}, std::move(owner)).keep_stream();
  }
  EXPECT_TRUE(watch[0].expired());
  EXPECT_TRUE(watch[1].expired());
  EXPECT_FALSE(watch[2].expired());
}

TEST_F(AdoptTest, ARefusedAdoptionReleasesTheOwner) {
  auto owner = std::make_shared<int>(0);
  std::weak_ptr<int> watch = owner;
  EXPECT_THROW((void)Lane::adopt(gpu(), StreamView::default_stream(), {}, std::move(owner)), StreamError);
  EXPECT_TRUE(watch.expired());
}

TEST_F(AdoptTest, NullIsRefused) {
  EXPECT_THAT(adopting(StreamView::default_stream()),
              refuses<StreamError>("stream 0x0 cannot be bound", "it is null, the default stream",
                                   "make a stream of your own"));
}

TEST_F(AdoptTest, TheLegacyHandleIsRefusedByValue) {
  EXPECT_THAT(adopting(StreamView(CU_STREAM_LEGACY)),
              refuses<StreamError>("stream 0x1 ", "reserved handle of the legacy default stream", "or use a lane"));
}

TEST_F(AdoptTest, ThePerThreadHandleIsRefusedByValue) {
  EXPECT_THAT(adopting(StreamView(CU_STREAM_PER_THREAD)),
              refuses<StreamError>("stream 0x2 ", "per-thread default stream", "or use a lane"));
}

TEST_F(AdoptTest, AStreamOfAnotherDeviceIsRefused) {
  use({.gpus = {fake::Gpu{}, fake::Gpu{}}});
  const auto stream = fake_.make_stream(1);
  EXPECT_THAT(adopting(stream, 0), refuses<StreamError>(to_string(stream), "a stream of cuda:1", "one of cuda:0",
                                                        "make the stream on cuda:0"));
  EXPECT_NO_THROW(adopting(stream, 1)());
}

TEST_F(AdoptTest, TheContextTellsTheDeviceWithoutStreamGetDevice) {
  use({.gpus = {fake::Gpu{}, fake::Gpu{}}, .stream_get_device = false});
  const auto stream = fake_.make_stream(1);
  EXPECT_THAT(adopting(stream, 0), refuses<StreamError>("a stream of cuda:1", "one of cuda:0"));
  EXPECT_NO_THROW(adopting(stream, 1)());
  EXPECT_EQ(fake_.current_contexts(), 0) << "the adoption changed the current context";
  EXPECT_THAT(warnings_.texts(), IsEmpty());
}

TEST_F(AdoptTest, AnUnknownDeviceOfAStreamGivesAWarning) {
  use({.stream_get_device = false, .stream_get_ctx = false});
  const auto stream = fake_.make_stream();
  EXPECT_NO_THROW(adopting(stream)());
  EXPECT_THAT(warnings_.texts(), ElementsAre(HasSubstr("the device of stream " + to_string(stream))));
}

class CapturedTest : public AdoptTest, public ::testing::WithParamInterface<CUstreamCaptureStatus> {};

TEST_P(CapturedTest, AStreamInACaptureIsRefused) {
  const auto stream = fake_.make_stream();
  fake_.set_capture(stream, GetParam());
  EXPECT_THAT(adopting(stream),
              refuses<StreamError>(to_string(stream), "a graph is being captured on it", "end the capture first"));
  fake_.set_capture(stream, CU_STREAM_CAPTURE_STATUS_NONE);
  EXPECT_NO_THROW(adopting(stream)());
}
INSTANTIATE_TEST_SUITE_P(Statuses, CapturedTest,
                         ::testing::Values(CU_STREAM_CAPTURE_STATUS_ACTIVE, CU_STREAM_CAPTURE_STATUS_INVALIDATED));

TEST_F(AdoptTest, AnUnknownStreamIsRefused) {
  const auto stream = StreamView::from_value(0xdead0);
  EXPECT_THAT(adopting(stream), refuses<StreamError>("0xdead0", "CUDA does not know it: cuStreamIsCapturing",
                                                     "CUDA_ERROR_INVALID_HANDLE", "lives for as long as it is bound"));
}

TEST_F(AdoptTest, AnUnknownStreamIsRefusedWithoutStreamGetDevice) {
  use({.stream_get_device = false});
  EXPECT_THAT(adopting(StreamView::from_value(0xdead0)),
              refuses<StreamError>("CUDA does not know it: cuStreamIsCapturing", "lives for as long as it is bound"));
}

TEST_F(AdoptTest, TheCpuHasNoStreams) {
  EXPECT_THAT([&] { (void)Lane::adopt(Device::open("cpu"), fake_.make_stream()); },
              refuses<StreamError>("cannot be a lane of cpu", "the CPU has no streams", "on a partition of the CPU"));
}

}  // namespace
}  // namespace greenlane
