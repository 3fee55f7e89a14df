#include "core/group_pool.hpp"

#include "support/matchers.hpp"

#include <greenlane/core/error.hpp>

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

namespace greenlane::detail {
namespace {

using ::testing::ElementsAre;
using Groups = std::vector<int>;
using Requests = std::vector<PartitionRequest>;

constexpr DeviceId kGpu{DeviceKind::cuda, 0};

// Returns a pool of 15 groups of 8 SMs, numbers 0 to 14, and an odd group of 12, number 15.
GroupPool h200() { return {kGpu, 15, 8, 12}; }

Groups take(GroupPool& pool, UnitRequest units, std::string name = "engine") {
  return pool.take(Requests{{std::move(name), units}}).front();
}

TEST(GroupPoolTest, TheLowestWholeGroupsAreTakenFirst) {
  auto pool = h200();
  EXPECT_THAT(take(pool, 16), ElementsAre(0, 1));
  EXPECT_THAT(take(pool, 8), ElementsAre(2));
}

TEST(GroupPoolTest, RequestsAreRoundedUpToWholeGroups) {
  auto pool = h200();
  EXPECT_EQ(pool.units(take(pool, 1)), 8);
  EXPECT_EQ(pool.units(take(pool, 9)), 16);
  EXPECT_EQ(pool.units(take(pool, 16)), 16);
}

TEST(GroupPoolTest, TheRestIncludesTheOddGroup) {
  auto pool = h200();
  take(pool, 48);
  const auto rest_groups = take(pool, rest);
  EXPECT_EQ(rest_groups.back(), 15);
  EXPECT_EQ(pool.units(rest_groups), 132 - 48);
  EXPECT_EQ(pool.free_units(), 0);
}

TEST(GroupPoolTest, TheRestIsServedLast) {
  auto pool = h200();
  const auto taken = pool.take(Requests{{"head", rest}, {"policy", 8}, {"vision", 48}});
  EXPECT_EQ(pool.units(taken[0]), 132 - 56);
  EXPECT_THAT(taken[1], ElementsAre(0));
  EXPECT_THAT(taken[2], ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST(GroupPoolTest, TheOddGroupIsUsedIfWholeGroupsDoNotSuffice) {
  auto pool = h200();
  EXPECT_EQ(take(pool, 112).back(), 13);
  EXPECT_THAT(take(pool, 20), ElementsAre(14, 15));
}

TEST(GroupPoolTest, TheOddGroupSavesWholeGroups) {
  auto pool = h200();
  const auto groups = take(pool, 121);
  EXPECT_EQ(pool.units(groups), 14 * 8 + 12);
  EXPECT_EQ(groups.back(), 15);
  EXPECT_EQ(pool.free_units(), 8);
}

TEST(GroupPoolTest, TheOddGroupAlwaysJoinsAWholeGroup) {
  auto pool = h200();
  take(pool, 112);
  EXPECT_THAT(take(pool, 10), ElementsAre(14, 15));
  EXPECT_EQ(pool.free_units(), 0);
}

TEST(GroupPoolTest, TheOddGroupAloneIsNoPartition) {
  for (const UnitRequest units : {UnitRequest(rest), UnitRequest(1), UnitRequest(12), UnitRequest(20)}) {
    auto pool = h200();
    take(pool, 120, "vision");
    const auto asked = units.is_rest() ? "the rest" : std::to_string(units.units().count) + " SMs";
    EXPECT_THAT([&] { take(pool, units, "policy"); },
                refuses<PartitionError>("cannot give " + asked + " of cuda:0 to 'policy'",
                                        "only the odd group of 12 SMs is left", "'vision' holds 120",
                                        "thread-block clusters fail there, cuBLAS's among them",
                                        "a whole group of 8 SMs is left"));
    EXPECT_EQ(pool.free_units(), 12);
  }
}

TEST(GroupPoolTest, SeveralRequestsNeverGetTheOddGroupAlone) {
  auto pool = h200();
  EXPECT_THAT([&] { (void)pool.take(Requests{{"policy", rest}, {"vision", 120}}); },
              refuses<PartitionError>("the rest of cuda:0 to 'policy'", "only the odd group", "'vision' holds 120"));
  EXPECT_THAT([&] { (void)pool.take(Requests{{"vision", 120}, {"policy", 8}}); },
              refuses<PartitionError>("8 SMs of cuda:0 to 'policy'", "only the odd group"));
  EXPECT_EQ(pool.free_units(), 132);
}

TEST(GroupPoolTest, ADeviceMayBeOneOddGroup) {
  GroupPool pool(kGpu, 0, 8, 6);
  EXPECT_THAT(take(pool, rest), ElementsAre(0));
}

TEST(GroupPoolTest, ASmallOddGroupIsAddedToTheOthers) {
  GroupPool pool(kGpu, 9, 8, 6);
  EXPECT_EQ(pool.units(take(pool, 78)), 78);
}

TEST(GroupPoolTest, AnEvenSplitHasNoOddGroup) {
  GroupPool pool(kGpu, 5, 4, 0);
  EXPECT_THAT(take(pool, rest), ElementsAre(0, 1, 2, 3, 4));
  EXPECT_EQ(pool.free_units(), 0);
}

TEST(GroupPoolTest, GroupsGivenBackAreFreeAgain) {
  auto pool = h200();
  const auto first = take(pool, 24);
  take(pool, 8);
  pool.give_back(first);
  EXPECT_EQ(pool.free_units(), 124);
  EXPECT_EQ(take(pool, 24), first);
}

TEST(GroupPoolTest, ARefusalTakesNothing) {
  auto pool = h200();
  EXPECT_THROW((void)pool.take(Requests{{"a", 64}, {"b", 64}, {"c", 64}}), PartitionError);
  EXPECT_EQ(pool.free_units(), 132);
  EXPECT_EQ(pool.describe(), "132 of 132 SMs are free");
}

TEST(GroupPoolTest, AnEmptyListTakesNothing) {
  auto pool = h200();
  EXPECT_TRUE(pool.take({}).empty());
  EXPECT_EQ(pool.free_units(), 132);
}

TEST(GroupPoolTest, ARefusalListsThePartitionsAndTheirUnits) {
  auto pool = h200();
  take(pool, 8, "policy");
  take(pool, 48, "vision");
  EXPECT_THAT([&] { take(pool, 100, "head"); },
              refuses<PartitionError>("cannot give 100 SMs of cuda:0 to 'head'", "'policy' holds 8, 'vision' holds 48",
                                      "76 of 132 SMs are free", "ask for no more than is free",
                                      "drop the lanes that hold units"));
}

TEST(GroupPoolTest, ARefusalCountsTheOtherRequestsOfTheCall) {
  auto pool = h200();
  EXPECT_THAT([&] { (void)pool.take(Requests{{"a", 100}, {"b", 100}}); },
              refuses<PartitionError>("100 SMs of cuda:0 to 'b'", "'a' holds 104", "28 of 132 SMs are free"));
}

TEST(GroupPoolTest, FitAsksOnlyForGroupsThatTheDeviceHas) {
  auto pool = h200();
  take(pool, 120, "vision");
  EXPECT_NO_THROW(pool.require_fit(Requests{{"policy", 96}, {"head", rest}}));
  EXPECT_EQ(pool.free_units(), 12);
  EXPECT_THAT([&] { pool.require_fit(Requests{{"policy", 96}, {"head", 100}}); },
              refuses<PartitionError>("cannot give 100 SMs of cuda:0 to 'head'", "'policy' holds 96; 36 of 132"));
}

TEST(GroupPoolTest, AnEmptyRestIsRefused) {
  auto pool = h200();
  take(pool, rest, "all");
  EXPECT_THAT([&] { take(pool, rest, "late"); },
              refuses<PartitionError>("the rest of cuda:0 to 'late'", "'all' holds 132", "0 of 132 SMs are free"));
}

TEST(GroupPoolTest, TwoRestsAreRefused) {
  auto pool = h200();
  EXPECT_THAT([&] { (void)pool.take(Requests{{"a", rest}, {"b", rest}}); },
              refuses<PartitionError>("cuda:0", "more than one partition asks for `rest`", "a number of units"));
}

TEST(GroupPoolTest, APartitionWithoutANameIsRefused) {
  auto pool = h200();
  EXPECT_THAT([&] { (void)pool.take(Requests{{"a", 8}, {"", rest}}); },
              refuses<PartitionError>("cannot divide cuda:0", "the name of a partition is empty", "name each"));
  EXPECT_EQ(pool.free_units(), 132);
}

TEST(GroupPoolTest, LessThanOneUnitIsRefused) {
  auto pool = h200();
  for (const int units : {0, -1, -132}) {
    EXPECT_THAT(
        [&] { take(pool, units, "none"); },
        refuses<PartitionError>("cannot give " + std::to_string(units) + " units", "'none'", "at least one unit"));
  }
}

TEST(GroupPoolTest, HugeRequestsAreRefusedWithoutOverflow) {
  auto pool = h200();
  EXPECT_THROW(take(pool, std::numeric_limits<int>::max()), PartitionError);
  EXPECT_EQ(pool.free_units(), 132);
}

TEST(GroupPoolTest, UnitsOfACpuAreCalledCores) {
  GroupPool pool({DeviceKind::cpu, 0}, 4, 1, 0);
  EXPECT_THAT([&] { take(pool, 5); }, refuses<PartitionError>("5 cores of cpu", "4 of 4 cores are free"));
}

// Compares the pool with a model: a map from partition to groups.
class GroupPoolPropertyTest : public ::testing::TestWithParam<unsigned> {
 protected:
  void check(const GroupPool& pool, int total) const {
    std::set<int> seen;
    int held = 0;
    for (const auto& [id, groups] : partitions_) {
      held += pool.units(groups);
      for (const int group : groups) EXPECT_TRUE(seen.insert(group).second) << "group " << group << " is held twice";
    }
    EXPECT_EQ(held + pool.free_units(), total);
  }
  std::map<int, Groups> partitions_;
};

TEST_P(GroupPoolPropertyTest, PartitionsAreDisjointAndUnitsAreConserved) {
  std::mt19937 random(GetParam());
  const auto up_to = [&](int low, int high) { return std::uniform_int_distribution(low, high)(random); };
  const int whole = up_to(0, 20);
  const int group_units = up_to(1, 16);
  const int odd = up_to(0, 1) * up_to(0, 20);
  const int total = whole * group_units + odd;
  GroupPool pool(kGpu, whole, group_units, odd);
  for (int step = 0; step < 400; ++step) {
    if (!partitions_.empty() && up_to(0, 2) == 0) {
      const auto victim = std::next(partitions_.begin(), up_to(0, static_cast<int>(partitions_.size()) - 1));
      pool.give_back(victim->second);
      partitions_.erase(victim);
    } else {
      const bool is_rest = up_to(0, 9) == 0;
      const int wanted = is_rest ? 1 : up_to(1, total + 1);
      const int free = pool.free_units();
      try {
        const auto groups = take(pool, is_rest ? UnitRequest(rest) : UnitRequest(wanted));
        EXPECT_GE(pool.units(groups), wanted);
        if (!is_rest) {
          EXPECT_LT(pool.units(groups) - wanted, std::max(group_units, odd))
              << "the partition is larger than rounding up needs";
        }
        EXPECT_TRUE(whole == 0 || groups.front() < whole) << "the partition is the odd group alone";
        partitions_[step] = groups;
      } catch (const PartitionError&) {
        EXPECT_TRUE(wanted > free || (whole > 0 && free == odd))
            << "a request was refused although its units were free";
        EXPECT_EQ(pool.free_units(), free) << "a refusal took units";
      }
    }
    check(pool, total);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, GroupPoolPropertyTest, ::testing::Range(0U, 16U));

}  // namespace
}  // namespace greenlane::detail
