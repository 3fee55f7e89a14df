// Many items through nets of engines on threads: outputs equal those of the models run by hand on the same items, by
// sequence number. GREENLANE_STRESS sets the number of items.
#include "support/edge_net.hpp"
#include "support/stress.hpp"

#include <gtest/gtest.h>

#include <atomic>

namespace greenlane::runtime {
namespace {

using Numbers = std::vector<std::uint64_t>;

std::uint64_t mix(std::uint64_t x, std::uint64_t salt) { return (x ^ salt) * 0x9E3779B97F4A7C15ULL + salt; }
NumbersWorkload::Model mixing(std::uint64_t salt) {
  return [salt](const Numbers& inputs) {
    std::uint64_t all = 0;
    for (const auto input : inputs) all = mix(all + input, salt);
    return Numbers{all};
  };
}
std::uint64_t by_hand(const NumbersWorkload::Model& model, const Numbers& inputs) { return model(inputs).at(0); }
std::uint64_t item(std::uint64_t sequence) { return mix(sequence, 77); }

EdgeOptions every_item() { return {.queue = 16, .overflow = Overflow::block, .triggers = true}; }
EdgeOptions newest(bool triggers = true) { return {.triggers = triggers}; }

// An engine that checks what it reads.
NumbersWorkload::Model checking(std::function<void(const Numbers&)> check) {
  return [check = std::move(check)](const Numbers& inputs) {
    check(inputs);
    return inputs;
  };
}

void await(const std::atomic<std::uint64_t>& done, std::uint64_t count) {
  while (done < count) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

TEST(EdgeStress, AChainOfThreeLosesNothing) {
  const auto count = stress_count();
  const auto a = mixing(1);
  const auto b = mixing(2);
  const auto c = mixing(3);
  std::atomic<std::uint64_t> done{0};
  std::atomic<std::uint64_t> wrong{0};
  NumberSource source;
  NetEngine first("first", {every_item()}, a);
  NetEngine second("second", {every_item()}, b);
  NetEngine third("third", {every_item()}, c);
  NetEngine reader("reader", {every_item()}, checking([&](const Numbers& read) {
                     const auto sequence = done + 1;
                     if (read.at(0) != by_hand(c, {by_hand(b, {by_hand(a, {item(sequence)})})})) ++wrong;
                     ++done;
                   }));
  first.take_from(source.outlet(), 0);
  second.take_from(first.outlet(), 0);
  third.take_from(second.outlet(), 0);
  reader.take_from(third.outlet(), 0);
  for (auto* each : {&first, &second, &third, &reader}) each->start();
  for (std::uint64_t i = 1; i <= count; ++i) source.publish(item(i));
  await(done, count);
  EXPECT_EQ(wrong, 0U);
}

TEST(EdgeStress, ADiamondOfQueuesMeetsItsOwnItemsAgain) {
  const auto count = stress_count();
  const auto left = mixing(4);
  const auto right = mixing(5);
  const auto join = mixing(6);
  std::atomic<std::uint64_t> done{0};
  std::atomic<std::uint64_t> wrong{0};
  NumberSource source;
  NetEngine one("left", {every_item()}, left);
  NetEngine other("right", {every_item()}, right);
  NetEngine joined("join", {every_item(), every_item()}, join);
  NetEngine reader("reader", {every_item()}, checking([&](const Numbers& read) {
                     const auto x = item(done + 1);
                     if (read.at(0) != by_hand(join, {by_hand(left, {x}), by_hand(right, {x})})) ++wrong;
                     ++done;
                   }));
  one.take_from(source.outlet(), 0);
  other.take_from(source.outlet(), 0);
  joined.take_from(one.outlet(), 0);
  joined.take_from(other.outlet(), 1);
  reader.take_from(joined.outlet(), 0);
  for (auto* each : {&one, &other, &joined, &reader}) each->start();
  for (std::uint64_t i = 1; i <= count; ++i) source.publish(item(i));
  await(done, count);
  EXPECT_EQ(wrong, 0U);
}

TEST(EdgeStress, AFeedbackLoopKeepsItsState) {
  const auto count = stress_count();
  std::atomic<std::uint64_t> done{0};
  std::atomic<std::uint64_t> wrong{0};
  std::uint64_t expected = 5;
  const auto model = mixing(7);
  NumberSource source;
  NetEngine loop("loop", {every_item(), {.is_feedback = true, .initial = numbers({expected})}}, model);
  NetEngine reader("reader", {every_item()}, checking([&](const Numbers& read) {
                     expected = by_hand(model, {item(done + 1), expected});
                     if (read.at(0) != expected) ++wrong;
                     ++done;
                   }));
  loop.take_from(source.outlet(), 0);
  loop.take_from(loop.outlet(), 1);
  reader.take_from(loop.outlet(), 0);
  for (auto* each : {&loop, &reader}) each->start();
  for (std::uint64_t i = 1; i <= count; ++i) source.publish(item(i));
  await(done, count);
  EXPECT_EQ(wrong, 0U);
}

// Latest edges may skip items, but never mix or reorder them, and the last one arrives.
TEST(EdgeStress, ThreeConsumersOfOneProducerSeeWholeItemsInOrder) {
  const auto count = stress_count();
  const auto model = mixing(8);
  std::atomic<std::uint64_t> wrong{0};
  NumberSource source;
  const auto two_of_one = [&](const Numbers& inputs) { return Numbers{inputs.at(0), by_hand(model, inputs)}; };
  NetEngine producer("producer", {newest()}, two_of_one);
  struct Consumer {
    std::uint64_t seen = 0;
    std::atomic<std::uint64_t> last{0};
  };
  std::vector<Consumer> consumers(3);
  std::vector<std::unique_ptr<NetEngine>> engines;
  std::vector<std::shared_ptr<EdgeRuns>> runs;
  std::vector<std::shared_ptr<Intake>> intakes;
  for (std::size_t i = 0; i < consumers.size(); ++i) {
    auto& consumer = consumers[i];
    engines.push_back(std::make_unique<NetEngine>("consumer", std::vector<EdgeOptions>{},
                                                  checking([&consumer, &wrong, &model](const Numbers& read) {
                                                    if (read.at(1) != by_hand(model, {read.at(0)})) ++wrong;
                                                    if (read.at(0) < consumer.seen) ++wrong;
                                                    consumer.seen = read.at(0);
                                                    consumer.last = read.at(0);
                                                  })));
    const auto& engine = engines.back()->engine();
    intakes.push_back(std::make_shared<Intake>(std::vector<EdgeOptions>{newest()}));
    intakes.back()->on_change(NetEngine::wakes(engine));
    producer.outlet()->attach(intakes.back(), 0);
    runs.push_back(
        std::make_shared<EdgeRuns>(*engine, intakes.back(), engines.back()->outlet(),
                                   EdgeRunOptions{.feeds = {{.edge = 0, .output = 0}, {.edge = 0, .output = 1}}}));
    engine->start(std::make_shared<DataTrigger>(runs.back()), std::chrono::nanoseconds(0));
  }
  producer.take_from(source.outlet(), 0);
  producer.start();
  for (std::uint64_t i = 1; i <= count; ++i) source.publish(i);
  for (const auto& consumer : consumers) await(consumer.last, count);
  for (const auto& intake : intakes) intake->close();
  EXPECT_EQ(wrong, 0U);
}

}  // namespace
}  // namespace greenlane::runtime
