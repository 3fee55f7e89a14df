#include "runtime/edges/intake.hpp"

#include "support/edges.hpp"

#include <gmock/gmock.h>

#include <chrono>
#include <thread>

namespace greenlane::runtime {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

EdgeOptions latest(bool triggers = false) { return {.triggers = triggers}; }
EdgeOptions queue(std::size_t length, Overflow overflow, bool triggers = true) {
  return {.queue = length, .overflow = overflow, .triggers = triggers};
}
EdgeOptions feedback(std::uint64_t initial) { return {.is_feedback = true, .initial = numbers({initial})}; }

TEST(Intake, ALatestEdgeShowsTheNewestValue) {
  Intake intake({latest()});
  EXPECT_EQ(intake.take().missing, 0U);
  EXPECT_TRUE(intake.put(0, value(1)));
  EXPECT_TRUE(intake.put(0, value(2)));
  EXPECT_EQ(number(intake.take().values.at(0)), 2U);
  EXPECT_EQ(number(intake.take().values.at(0)), 2U) << "it stays until a newer one comes";
  const auto counts = intake.counts().at(0);
  EXPECT_EQ(counts.taken, 1U);
  EXPECT_EQ(counts.dropped, 1U);
}

TEST(Intake, AValueShowsOnceTheDeviceHasWrittenIt) {
  Intake intake({latest()});
  const auto late = numbers({2}, /*is_done=*/false);
  (void)intake.put(0, value(1));
  (void)intake.put(0, std::make_shared<Value>(Value{.payload = late, .sequence = 2}));
  EXPECT_EQ(number(intake.take().values.at(0)), 1U);
  late->finish();
  EXPECT_EQ(number(intake.take().values.at(0)), 2U);
}

TEST(Intake, OfSeveralUnfinishedValuesTheNewestFinishedOneShows) {
  Intake intake({latest()});
  const auto second = numbers({2}, /*is_done=*/false);
  const auto third = numbers({3}, /*is_done=*/false);
  (void)intake.put(0, std::make_shared<Value>(Value{.payload = second, .sequence = 2}));
  (void)intake.put(0, std::make_shared<Value>(Value{.payload = third, .sequence = 3}));
  EXPECT_EQ(intake.take().missing, 0U);
  second->finish();
  EXPECT_EQ(number(intake.take().values.at(0)), 2U);
  third->finish();
  EXPECT_EQ(number(intake.take().values.at(0)), 3U);
}

TEST(Intake, ATriggeredRunReadsANewValueBeforeItIsDone) {
  Intake intake({latest(/*triggers=*/true)});
  (void)intake.put(0, value(1));
  (void)intake.take();
  (void)intake.put(0, std::make_shared<Value>(Value{.payload = numbers({2}, /*is_done=*/false), .sequence = 2}));
  ASSERT_TRUE(intake.triggered());
  EXPECT_EQ(number(intake.take().values.at(0)), 2U);
}

TEST(Intake, AllTriggersMustHaveNewData) {
  Intake intake({latest(true), latest(true), latest(false)});
  (void)intake.put(0, value(1));
  (void)intake.put(2, value(3));
  EXPECT_FALSE(intake.triggered());
  (void)intake.put(1, value(2));
  EXPECT_TRUE(intake.triggered());
  (void)intake.take();
  EXPECT_FALSE(intake.triggered());
  (void)intake.put(2, value(4));
  EXPECT_FALSE(intake.triggered()) << "that edge does not trigger";
}

TEST(Intake, DataThatComesDuringARunCausesOneMoreRun) {
  Intake intake({latest(true)});
  (void)intake.put(0, value(1));
  (void)intake.take();
  for (std::uint64_t i = 2; i < 5; ++i) (void)intake.put(0, value(i));
  ASSERT_TRUE(intake.triggered());
  EXPECT_EQ(number(intake.take().values.at(0)), 4U);
  EXPECT_FALSE(intake.triggered());
}

TEST(Intake, EveryItemOfAQueueCounts) {
  Intake intake({queue(3, Overflow::reject)});
  for (std::uint64_t i = 1; i <= 3; ++i) EXPECT_TRUE(intake.put(0, value(i)));
  EXPECT_FALSE(intake.put(0, value(4)));
  for (std::uint64_t i = 1; i <= 3; ++i) {
    ASSERT_TRUE(intake.triggered());
    EXPECT_EQ(number(intake.take().values.at(0)), i);
  }
  EXPECT_FALSE(intake.triggered());
  EXPECT_EQ(intake.take().missing, 0U);
  EXPECT_EQ(intake.counts().at(0).rejected, 1U);
}

TEST(Intake, AFullQueueDropsItsOldest) {
  Intake intake({queue(2, Overflow::drop_oldest)});
  for (std::uint64_t i = 1; i <= 3; ++i) EXPECT_TRUE(intake.put(0, value(i)));
  EXPECT_EQ(number(intake.take().values.at(0)), 2U);
  EXPECT_EQ(intake.counts().at(0).dropped, 1U);
}

TEST(Intake, ARunTakesNothingWhileAnInputIsMissing) {
  Intake intake({queue(2, Overflow::reject), latest()});
  (void)intake.put(0, value(1));
  EXPECT_EQ(intake.take().missing, 1U);
  (void)intake.put(1, value(7));
  EXPECT_EQ(number(intake.take().values.at(0)), 1U);
}

TEST(Intake, AProducerWaitsForRoom) {
  std::atomic<int> told{0};
  Intake intake({queue(1, Overflow::block)});
  intake.on_room(0, [&] { ++told; });
  EXPECT_TRUE(intake.has_room(0));
  (void)intake.put(0, value(1));
  EXPECT_FALSE(intake.has_room(0));
  EXPECT_FALSE(intake.put(0, value(2)));
  EXPECT_FALSE(intake.wait_for_room(0, Clock::now() + milliseconds(1)));
  std::jthread reader([&] { (void)intake.take(); });
  EXPECT_TRUE(intake.wait_for_room(0, Clock::now() + seconds(30)));
  reader.join();
  EXPECT_EQ(told, 1);
}

TEST(Intake, CloseEndsAWaitForRoom) {
  Intake intake({queue(1, Overflow::block)});
  (void)intake.put(0, value(1));
  std::jthread closer([&] { intake.close(); });
  EXPECT_FALSE(intake.wait_for_room(0, Clock::time_point::max()));
  EXPECT_FALSE(intake.put(0, value(2)));
  EXPECT_FALSE(intake.triggered());
}

TEST(Intake, AFeedbackEdgeBeginsWithItsInitialData) {
  Intake intake({feedback(9)});
  EXPECT_EQ(number(intake.take().values.at(0)), 9U);
  (void)intake.put(0, value(1));
  EXPECT_EQ(number(intake.take().values.at(0)), 1U);
}

TEST(Intake, FeedbackCarriesNoAge) {
  Intake intake({feedback(9), latest()});
  const auto long_ago = Clock::now() - seconds(9);
  (void)intake.put(0, value(1, 1, long_ago));
  (void)intake.put(1, value(2, 5, long_ago + seconds(4)));
  const auto inputs = intake.take();
  ASSERT_EQ(inputs.items.all().size(), 1U);
  EXPECT_EQ(inputs.items.oldest(), long_ago + seconds(4));
}

TEST(Intake, AResetRestoresInitialDataAndRefusesWhatWasMadeFromOlder) {
  Intake intake({feedback(9)});
  const auto before = intake.take();
  intake.reset(1);
  auto outdated = std::make_shared<Value>(Value{.payload = numbers({5}), .sequence = 1, .epoch = before.epoch});
  EXPECT_TRUE(intake.put(0, outdated)) << "it is dropped, which the producer need not know";
  const auto after = intake.take();
  EXPECT_EQ(number(after.values.at(0)), 9U);
  EXPECT_EQ(after.epoch, 1U);
  (void)intake.put(0, std::make_shared<Value>(Value{.payload = numbers({6}), .sequence = 2, .epoch = after.epoch}));
  EXPECT_EQ(number(intake.take().values.at(0)), 6U);
}

TEST(Intake, AnItemThatCameOnTwoWaysIsOneItem) {
  Intake intake({latest(), latest()});
  const auto now = Clock::now();
  (void)intake.put(0, value(1, 3, now));
  (void)intake.put(1, value(2, 3, now));
  EXPECT_EQ(intake.take().items.all().size(), 1U);
}

TEST(Intake, ItTellsItsListenerOfChanges) {
  int changes = 0;
  Intake intake({latest(true)});
  intake.on_change([&] { ++changes; });
  (void)intake.put(0, value(1));
  EXPECT_EQ(changes, 1);
}

}  // namespace
}  // namespace greenlane::runtime
