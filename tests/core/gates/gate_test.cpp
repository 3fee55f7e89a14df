#include <greenlane/detail/core/gate.hpp>

#include <gtest/gtest.h>

#include <array>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>

namespace greenlane {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

const UnitSetId kWhole{};
const UnitSetId kFirst = UnitSetId::next();
const UnitSetId kSecond = UnitSetId::next();

class GateTest : public ::testing::Test {
 protected:
  Gate::Pass close(UnitSetId units = kFirst, nanoseconds limit = hours(1)) { return Gate::close(gate_, units, limit); }
  std::shared_ptr<Gate> gate_ = std::make_shared<Gate>();
};

TEST_F(GateTest, AGateWithoutUrgentCallsIsOpen) {
  EXPECT_TRUE(gate_->is_open(kFirst));
  EXPECT_EQ(gate_->wait(kFirst, GateWait::spin), nanoseconds(0));
  EXPECT_EQ(gate_->report().held, 0U);
}

TEST_F(GateTest, AGateIsClosedUntilTheUrgentWorkIsDone) {
  bool done = false;
  {
    auto pass = close();
    EXPECT_FALSE(gate_->is_open(kFirst));
    pass.enqueued([&] { return done; });
  }
  EXPECT_FALSE(gate_->is_open(kFirst)) << "the gate opened when the call returned, before its work was done";
  done = true;
  EXPECT_TRUE(gate_->is_open(kFirst));
  EXPECT_EQ(gate_->report().passes, 1U);
}

TEST_F(GateTest, AGateOpensWhenTheUrgentEngineThrows) {
  try {
    const auto pass = close();
    throw std::runtime_error("between closing and launching");
  } catch (const std::runtime_error&) {
  }
  EXPECT_TRUE(gate_->is_open(kFirst));
}

TEST_F(GateTest, AGateHoldsOnlyOverlappingUnitSets) {
  const auto pass = close(kFirst);
  EXPECT_FALSE(gate_->is_open(kFirst));
  EXPECT_FALSE(gate_->is_open(kWhole)) << "a closed partition does not close the whole device";
  EXPECT_TRUE(gate_->is_open(kSecond)) << "a closed partition closes another partition";
  const auto everywhere = close(kWhole);
  EXPECT_FALSE(gate_->is_open(kSecond));
}

TEST_F(GateTest, OverlappingCallsCloseTheGateUntilAllAreDone) {
  std::optional<Gate::Pass> one(close());
  auto two = close();
  auto nested = close();
  one.reset();
  EXPECT_FALSE(gate_->is_open(kFirst));
  two.enqueued([] { return true; });
  EXPECT_FALSE(gate_->is_open(kFirst));
  nested.enqueued([] { return true; });
  EXPECT_TRUE(gate_->is_open(kFirst));
}

TEST_F(GateTest, AnEndlessUrgentCallIsDroppedAfterItsLimit) {
  auto pass = close(kFirst, milliseconds(5));
  pass.enqueued([] { return false; });
  EXPECT_GE(gate_->wait(kFirst, GateWait::spin), milliseconds(4));
  EXPECT_EQ(gate_->report().limits_hit, 1U);
  EXPECT_TRUE(gate_->is_open(kFirst));
  auto late = close(kFirst, milliseconds(1));
  (void)gate_->wait(kFirst, GateWait::block);
  late.enqueued([] { return false; });  // the gate has let it go in the meantime
  EXPECT_TRUE(gate_->is_open(kFirst));
  EXPECT_EQ(gate_->report().limits_hit, 2U);
}

TEST_F(GateTest, TheReportHasTheHeldTime) {
  auto pass = std::make_optional(close());
  std::jthread urgent([&] {
    std::this_thread::sleep_for(milliseconds(20));
    pass.reset();
  });
  const auto held = gate_->wait(kFirst, GateWait::block);
  EXPECT_GE(held, milliseconds(10));
  EXPECT_EQ(gate_->report().held, 1U);
  EXPECT_EQ(gate_->report().held_time, held);
  EXPECT_EQ(gate_->report().longest_held, held);
  gate_->reset_report();
  EXPECT_EQ(gate_->report().passes, 0U);
}

// Every order of two urgent calls (close, enqueued, done) and two best-effort engines on their own units (each asks
// twice). The gate is open to a unit set exactly while no call that shares its units is under way.
class Interleavings {
 public:
  void run() {
    step({}, 0);
    EXPECT_EQ(count_, 10 * 9 * 8 * 7 * 6 * 5 * 4 * 3 * 2 / (6 * 6 * 2 * 2));
  }

 private:
  static constexpr std::array<int, 4> kSteps{3, 3, 2, 2};
  const std::array<UnitSetId, 4> units_{kFirst, kWhole, kFirst, kSecond};

  void step(std::array<int, 4> at, std::size_t length) {
    if (length == 10) {
      ++count_;
      replay();
      return;
    }
    for (std::size_t actor = 0; actor < 4; ++actor) {
      if (at[actor] == kSteps[actor]) continue;
      ++at[actor];
      order_[length] = actor;
      step(at, length + 1);
      --at[actor];
    }
  }

  void replay() const {
    const auto gate = std::make_shared<Gate>();
    std::array<bool, 2> done{};
    std::array<int, 2> stage{};
    std::array<std::optional<Gate::Pass>, 2> passes;
    for (const auto actor : order_) {
      if (actor >= 2) {
        const auto shares = [&](std::size_t urgent) {
          const bool under_way = stage[urgent] == 1 || stage[urgent] == 2;
          return under_way && (units_[urgent] == kWhole || units_[urgent] == units_[actor]);
        };
        ASSERT_EQ(gate->is_open(units_[actor]), !shares(0) && !shares(1));
        continue;
      }
      switch (++stage[actor]) {
        case 1:
          passes[actor].emplace(Gate::close(gate, units_[actor], hours(1)));
          break;
        case 2:
          passes[actor]->enqueued([&done, actor] { return done[actor]; });
          break;
        default:
          done[actor] = true;
      }
    }
  }

  std::array<std::size_t, 10> order_{};
  int count_ = 0;
};

TEST(GateInterleavings, GatesAreCorrectInEveryInterleaving) { Interleavings().run(); }

TEST_F(GateTest, AnExpectedCallIsNotCounted) {
  auto pass = Gate::expect(gate_, kFirst, milliseconds(5));
  EXPECT_FALSE(gate_->is_open(kFirst));
  (void)gate_->wait(kFirst, GateWait::block);
  EXPECT_EQ(gate_->report().passes, 0U);
  EXPECT_EQ(gate_->report().limits_hit, 0U);
}

TEST_F(GateTest, FinishedCallsAreForgottenWithoutWaiters) {
  int asked = 0;
  for (int i = 0; i < 1000; ++i) {
    close().enqueued([&] {
      ++asked;
      return true;
    });
  }
  EXPECT_LT(asked, 2000);
  EXPECT_GT(asked, 900);
  asked = 0;
  EXPECT_TRUE(gate_->is_open(kFirst));
  EXPECT_LE(asked, 20) << "finished calls were kept";
}

TEST(GateLog, TheLogHasTheClosedSpans) {
  const auto gate = std::make_shared<Gate>();
  const auto log = std::make_shared<SpanLog>(2);
  gate->set_log(log);
  for (int i = 0; i < 3; ++i) {
    auto pass = Gate::close(gate, kWhole, hours(1));
    pass.enqueued([] { return true; });
    EXPECT_TRUE(log->spans().empty() || std::cmp_equal(log->spans().size(), i))
        << "the span ended before the gate was asked";
    EXPECT_TRUE(gate->is_open(kWhole));
  }
  ASSERT_EQ(log->spans().size(), 2U) << "the log has another number of spans than its capacity";
  EXPECT_LE(log->spans()[0].begin, log->spans()[0].end);
  EXPECT_LE(log->spans()[0].end, log->spans()[1].begin);
}

// For ThreadSanitizer, and to find hangs: urgent and best-effort threads use one gate at the same time.
TEST(GateThreads, ManyThreadsUseAGateWithoutAHang) {
  constexpr int kUrgent = 8;
  constexpr int kBestEffort = 32;
  constexpr int kPasses = 500;
  const std::array unit_sets{kWhole, kFirst, kSecond};
  const auto gate = std::make_shared<Gate>();
  std::atomic<int> urgent_left{kUrgent};
  std::atomic<std::uint64_t> slices{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kUrgent; ++i) {
      threads.emplace_back([&, i] {
        const auto done = std::make_shared<std::atomic<bool>>(false);
        for (int pass = 0; pass < kPasses; ++pass) {
          done->store(false);
          auto closed = Gate::close(gate, unit_sets[static_cast<std::size_t>(i) % 3], hours(1));
          if (pass % 7 == 0) continue;  // as if the engine threw
          closed.enqueued([done] { return done->load(); });
          done->store(true);
        }
        --urgent_left;
      });
    }
    for (int i = 0; i < kBestEffort; ++i) {
      threads.emplace_back([&, i] {
        do {
          (void)gate->wait(unit_sets[static_cast<std::size_t>(i) % 3], i % 2 ? GateWait::spin : GateWait::block);
          ++slices;
          std::this_thread::yield();
        } while (urgent_left > 0);
      });
    }
  }
  EXPECT_EQ(gate->report().passes, static_cast<std::uint64_t>(kUrgent * kPasses));
  EXPECT_GE(slices, static_cast<std::uint64_t>(kBestEffort));
  for (const auto units : unit_sets) EXPECT_TRUE(gate->is_open(units));
}

TEST_F(GateTest, ACallHoldsAllWorkButThatWhichItPassesBeside) {
  const GatedWork passed(kFirst);
  const GatedWork held(kFirst);
  const auto pass = Gate::close(gate_, kFirst, hours(1), {&passed});
  EXPECT_TRUE(gate_->is_open(kFirst, &passed));
  EXPECT_EQ(gate_->wait(kFirst, GateWait::spin, &passed), nanoseconds(0));
  EXPECT_FALSE(gate_->is_open(kFirst, &held));
  EXPECT_FALSE(gate_->is_open(kFirst)) << "work that never joined is not held";
  EXPECT_EQ(gate_->report().beside, 1U);
}

TEST_F(GateTest, AnotherCallHoldsWorkThatOnePassesBeside) {
  const GatedWork work(kFirst);
  const auto beside = Gate::close(gate_, kFirst, hours(1), {&work});
  const auto other = close();
  EXPECT_FALSE(gate_->is_open(kFirst, &work));
  EXPECT_EQ(gate_->report().passes, 2U);
  EXPECT_EQ(gate_->report().beside, 1U);
}

TEST_F(GateTest, TheGateKnowsWorkOnOverlappingUnitsForAsLongAsItLives) {
  const auto first = std::make_shared<GatedWork>(kFirst);
  auto whole = std::make_shared<GatedWork>(kWhole);
  gate_->join(first);
  gate_->join(whole);
  EXPECT_EQ(gate_->work_on(kSecond).size(), 1U);
  EXPECT_EQ(gate_->work_on(kFirst).size(), 2U);
  whole.reset();
  EXPECT_TRUE(gate_->work_on(kSecond).empty());
}

}  // namespace
}  // namespace greenlane
