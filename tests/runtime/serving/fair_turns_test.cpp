#include "runtime/serving/fair_turns.hpp"

#include <gmock/gmock.h>

#include <map>
#include <string>
#include <vector>

namespace greenlane::runtime {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class FairTurnsTest : public ::testing::Test {
 protected:
  FairTurns::Engine add(const std::string& tenant, double weight = 1) {
    const auto engine = turns_.add(tenant, weight, [this, at = names_.size()] { woken_.push_back(at); });
    names_.push_back(tenant);
    return engine;
  }
  // Lets engines that always have more to run take this many turns. Returns how many each took.
  std::map<FairTurns::Engine, int> saturate(const std::vector<FairTurns::Engine>& engines, int turns,
                                            const std::function<milliseconds(FairTurns::Engine)>& time) {
    std::map<FairTurns::Engine, int> taken;
    for (const auto engine : engines) (void)turns_.take(engine);  // all wait from now on
    for (int i = 0; i < turns; ++i) {
      for (const auto engine : engines) {
        if (!turns_.take(engine)) continue;
        ++taken[engine];
        turns_.end(engine, time(engine), true);
        break;
      }
    }
    return taken;
  }

  FairTurns turns_;
  std::vector<std::string> names_;
  std::vector<FairTurns::Engine> woken_;
};

TEST_F(FairTurnsTest, OneEngineAloneNeverWaits) {
  const auto one = add("a");
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(turns_.take(one));
    turns_.end(one, milliseconds(5), false);
  }
  EXPECT_THAT(woken_, IsEmpty());
}

TEST_F(FairTurnsTest, AnEngineWaitsForTheTurnOfAnotherAndIsWoken) {
  const auto one = add("a");
  const auto other = add("b");
  EXPECT_TRUE(turns_.take(one));
  EXPECT_FALSE(turns_.take(other));
  turns_.end(one, milliseconds(5), false);
  EXPECT_THAT(woken_, ElementsAre(other));
  EXPECT_TRUE(turns_.take(other));
}

TEST_F(FairTurnsTest, WeightsOfThreeToOneGiveThreeTurnsToOne) {
  const auto one = add("a", 3);
  const auto other = add("b", 1);
  const auto taken = saturate({one, other}, 400, [](auto) { return milliseconds(1); });
  EXPECT_NEAR(taken.at(one), 300, 2);
  EXPECT_NEAR(taken.at(other), 100, 2);
}

TEST_F(FairTurnsTest, TimeIsSharedAndNotTheNumberOfTurns) {
  const auto one = add("a");
  const auto other = add("b");
  const auto taken = saturate({one, other}, 440, [&](auto engine) { return milliseconds(engine == one ? 10 : 1); });
  EXPECT_NEAR(taken.at(one), 40, 2);
  EXPECT_NEAR(taken.at(other), 400, 2);
}

TEST_F(FairTurnsTest, EnginesOfOneTenantShareItsWeight) {
  const std::vector all{add("a"), add("a"), add("b")};
  const auto taken = saturate(all, 400, [](auto) { return milliseconds(1); });
  EXPECT_NEAR(taken.at(all[2]), 200, 2);
  EXPECT_NEAR(taken.at(all[0]), 100, 2);
}

TEST_F(FairTurnsTest, ATenantThatPausedSavesNoTimeUp) {
  const auto one = add("a");
  const auto other = add("b");
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(turns_.take(one));
    turns_.end(one, milliseconds(10), false);
  }
  const auto taken = saturate({one, other}, 100, [](auto) { return milliseconds(1); });
  EXPECT_NEAR(taken.at(one), 50, 2);
}

TEST_F(FairTurnsTest, ATurnThatIsNotUsedGoesOn) {
  const auto one = add("a");
  const auto other = add("b");
  EXPECT_TRUE(turns_.take(one));
  EXPECT_FALSE(turns_.take(other));
  turns_.end(one, milliseconds(0), true);  // the turn is its own again, or the other's
  turns_.drop(one);
  EXPECT_TRUE(turns_.take(other));
}

TEST_F(FairTurnsTest, AnEngineThatHangsKeepsNobodyFromRunning) {
  const auto one = add("a");
  const auto other = add("b");
  EXPECT_TRUE(turns_.take(one));
  EXPECT_FALSE(turns_.take(other));
  turns_.leave(one);
  EXPECT_THAT(woken_, ElementsAre(other));
  EXPECT_TRUE(turns_.take(other));
  EXPECT_TRUE(turns_.take(one)) << "it takes no turns any more";
  turns_.end(one, milliseconds(5), true);
  EXPECT_TRUE(turns_.take(other));
}

TEST_F(FairTurnsTest, AWaitThatIsDroppedGetsNoTurn) {
  const auto one = add("a");
  const auto other = add("b");
  EXPECT_TRUE(turns_.take(one));
  EXPECT_FALSE(turns_.take(other));
  turns_.drop(other);
  turns_.end(one, milliseconds(5), false);
  EXPECT_THAT(woken_, IsEmpty());
}

}  // namespace
}  // namespace greenlane::runtime
