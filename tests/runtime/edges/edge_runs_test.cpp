#include "runtime/edges/edge_runs.hpp"

#include "support/edge_net.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

namespace greenlane::runtime {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Numbers = std::vector<std::uint64_t>;

Numbers twice(const Numbers& inputs) { return {2 * inputs.at(0)}; }
EdgeRun run(NetEngine& net, Clock::time_point start = Clock::now()) { return net.runs().run(start, start).how; }

TEST(EdgeRuns, ARunReadsItsEdgesAndPublishesItsOutputs) {
  NumberSource source;
  NetEngine engine("a", {{}}, twice);
  engine.take_from(source.outlet(), 0);
  source.publish(4);
  EXPECT_EQ(run(engine), EdgeRun::done);
  const auto result = engine.outlet()->latest();
  EXPECT_EQ(number(result), 8U);
  EXPECT_EQ(result->sequence, 1U);
  ASSERT_EQ(result->items.all().size(), 1U);
  EXPECT_EQ(result->items.all().front().sequence, 1U);
}

TEST(EdgeRuns, OneInputMayBeAnotherOutputOfTheSameProducer) {
  NumberSource source;
  NetEngine pair("pair", {{}}, [](const Numbers& inputs) { return Numbers{inputs.at(0), inputs.at(0) + 1}; });
  NetEngine sum("sum", {}, [](const Numbers& inputs) { return Numbers{10 * inputs.at(0) + inputs.at(1)}; });
  pair.take_from(source.outlet(), 0);
  const auto intake = std::make_shared<Intake>(std::vector<EdgeOptions>{{}});
  pair.outlet()->attach(intake, 0);
  EdgeRuns runs(*sum.engine(), intake, sum.outlet(), {.feeds = {{.edge = 0, .output = 1}, {.edge = 0, .output = 0}}});
  source.publish(4);
  EXPECT_EQ(run(pair), EdgeRun::done);
  EXPECT_EQ(runs.run(Clock::now(), Clock::now()).how, EdgeRun::done);
  EXPECT_EQ(number(sum.outlet()->latest()), 54U);
}

TEST(EdgeRuns, ARunWithoutDataIsSkippedAndCounted) {
  NetEngine engine("a", {{}}, twice);
  EXPECT_EQ(run(engine), EdgeRun::not_ready);
  EXPECT_EQ(engine.figures().not_ready, 1U);
  EXPECT_EQ(engine.figures().runs, 0U);
  EXPECT_EQ(engine.outlet()->latest(), nullptr);
}

TEST(EdgeRuns, ARunOnOldDataIsSkippedAndCounted) {
  NumberSource source;
  NetEngine engine("a", {{}}, twice, {.max_age = milliseconds(10)});
  engine.take_from(source.outlet(), 0);
  const auto now = Clock::now();
  source.publish(4, now);
  EXPECT_EQ(run(engine, now + milliseconds(11)), EdgeRun::stale);
  EXPECT_EQ(run(engine, now + milliseconds(9)), EdgeRun::done);
  EXPECT_EQ(engine.figures().stale, 1U);
  EXPECT_EQ(engine.figures().ages.max, milliseconds(9));
}

TEST(EdgeRuns, AnErrorPublishesNothing) {
  NumberSource source;
  NetEngine engine("a", {{}}, [](const Numbers&) -> Numbers { throw std::runtime_error("broken"); });
  engine.take_from(source.outlet(), 0);
  source.publish(4);
  EXPECT_EQ(run(engine), EdgeRun::failed);
  EXPECT_EQ(engine.figures().failed, 1U);
  EXPECT_EQ(engine.outlet()->latest(), nullptr);
}

TEST(EdgeRuns, APathEndsWithTheResult) {
  NumberSource source;
  const auto path = std::make_shared<PathMeter>(0, milliseconds(1));
  NetEngine engine("a", {{}}, twice, {.paths = {path}});
  engine.take_from(source.outlet(), 0);
  source.publish(4, Clock::now() - seconds(1));
  EXPECT_EQ(run(engine), EdgeRun::done);
  const auto figures = path->now(Clock::now());
  EXPECT_EQ(figures.items, 1U);
  EXPECT_EQ(figures.misses, 1U);
  EXPECT_GE(figures.whole.max, seconds(1));
}

TEST(EdgeRuns, AQueueThatBlocksHoldsItsProducerBack) {
  NumberSource source;
  NetEngine first("first", {{.queue = 4, .triggers = true}}, twice);
  NetEngine second("second", {{.queue = 1, .overflow = Overflow::block, .triggers = true}}, twice);
  first.take_from(source.outlet(), 0);
  second.take_from(first.outlet(), 0);
  source.publish(1);
  source.publish(2);
  EXPECT_TRUE(first.runs().due());
  EXPECT_EQ(run(first), EdgeRun::done);
  EXPECT_FALSE(first.runs().due()) << "its consumer's queue is full";
  EXPECT_EQ(run(second), EdgeRun::done);
  EXPECT_TRUE(first.runs().due());
}

TEST(EdgeRuns, AFeedbackEdgeHoldsTheStateOfALoop) {
  NumberSource source;
  NetEngine sum("sum", {{.triggers = true}, {.is_feedback = true, .initial = numbers({100})}},
                [](const Numbers& inputs) { return Numbers{inputs.at(0) + inputs.at(1)}; });
  sum.take_from(source.outlet(), 0);
  sum.take_from(sum.outlet(), 1);
  for (const std::uint64_t item : {1, 2, 3}) {
    source.publish(item);
    EXPECT_EQ(run(sum), EdgeRun::done);
  }
  EXPECT_EQ(number(sum.outlet()->latest()), 106U);
  EXPECT_EQ(sum.outlet()->latest()->items.all().size(), 1U) << "only the last item: feedback has no age";
  sum.intake()->reset(1);
  source.publish(4);
  EXPECT_EQ(run(sum), EdgeRun::done);
  EXPECT_EQ(number(sum.outlet()->latest()), 104U);
}

TEST(EdgeRuns, AnEngineThreadRunsWhenDataComes) {
  NumberSource source;
  NetEngine engine("a", {{.triggers = true}}, twice);
  engine.take_from(source.outlet(), 0);
  engine.start();
  source.publish(4);
  EXPECT_EQ(number(engine.outlet()->wait_for_newer(0, Clock::time_point::max())), 8U);
  source.publish(5);
  EXPECT_EQ(number(engine.outlet()->wait_for_newer(1, Clock::time_point::max())), 10U);
}

TEST(EdgeRuns, TimesCountFromWhenTheDeviceHadWrittenTheInputs) {
  NetEngine engine("a", {{.queue = 1, .triggers = true}}, twice);
  const auto now = Clock::now();
  const auto early = numbers({4}, /*is_done=*/false);
  ASSERT_TRUE(engine.intake()->put(
      0, std::make_shared<Value>(Value{
             .payload = early, .sequence = 1, .items = SourceItems({.source = 0, .sequence = 1, .published = now})})));
  early->note_done(now + milliseconds(3));
  const auto ran = engine.runs().run(now + milliseconds(1), now + milliseconds(2));
  EXPECT_EQ(ran.how, EdgeRun::done);
  EXPECT_EQ(ran.arrival, now + milliseconds(3));
  EXPECT_EQ(ran.start, now + milliseconds(3));
  EXPECT_EQ(engine.figures().ages.max, milliseconds(3));
}

TEST(EdgeRuns, TheLastRunIsRepeatedOnItsInputs) {
  NumberSource source;
  NetEngine engine("a", {{}}, twice, {.keeps_last = true});
  engine.take_from(source.outlet(), 0);
  EXPECT_EQ(engine.runs().last().outputs, nullptr);
  source.publish(4);
  EXPECT_EQ(run(engine), EdgeRun::done);
  source.publish(5);
  EXPECT_EQ(number(*engine.runs().last().outputs), 8U);
  EXPECT_EQ(number(*engine.runs().repeat_last()), 8U);
  EXPECT_EQ(engine.figures().runs, 1U);
}

}  // namespace
}  // namespace greenlane::runtime
