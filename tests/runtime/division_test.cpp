#include "runtime/division.hpp"

#include "core/group_pool.hpp"
#include "support/matchers.hpp"

#include <greenlane/core/error.hpp>

#include <gmock/gmock.h>

#include <algorithm>
#include <random>
#include <set>

namespace greenlane::runtime {
namespace {

using std::chrono::milliseconds;

DeviceInfo device_of(int groups, int granularity, int remainder, DeviceKind kind = DeviceKind::cuda) {
  DeviceInfo device;
  device.id = {kind, 0};
  device.groups = groups;
  device.granularity = {granularity};
  device.remainder = {remainder};
  device.units = {groups * granularity + remainder};
  return device;
}
DeviceInfo h200() { return device_of(15, 8, 12); }
DeviceInfo cpu_of(int cores) { return device_of(cores, 1, 0, DeviceKind::cpu); }

class Builder {
 public:
  Builder& urgent(const std::string& name, std::optional<UnitRequest> units = {}) {
    return add(name, units, milliseconds(5));
  }
  Builder& best_effort(const std::string& name, std::optional<UnitRequest> units = {}) { return add(name, units, {}); }
  Builder& beside(const std::string& other) {
    config_.lanes.back().beside = other;
    return *this;
  }
  [[nodiscard]] const PipelineConfig& config() const { return config_; }

 private:
  Builder& add(const std::string& name, std::optional<UnitRequest> units, std::optional<Nanoseconds> deadline) {
    EngineConfig engine;
    engine.name = engine.lane = name;
    engine.deadline = engine.period = deadline;
    config_.engines.push_back(engine);
    config_.lanes.push_back({.name = name, .units = units});
    return *this;
  }
  PipelineConfig config_;
};

// Returns a text such as "policy=8 vision=rest a+b=1", with the lanes of each share joined.
std::string text_of(const std::vector<Share>& shares) {
  std::string text;
  for (const auto& share : shares) {
    std::string lanes;
    for (const auto& lane : share.lanes) lanes += (lanes.empty() ? "" : "+") + lane;
    const auto& units = share.request.units;
    text += (text.empty() ? "" : " ") + lanes + "=" + (units.is_rest() ? "rest" : std::to_string(units.units().count));
  }
  return text;
}

std::string divided(const Builder& builder, const DeviceInfo& device) {
  return text_of(divide(builder.config(), device));
}

// Returns the groups of every share. Throws PartitionError if the groups are not available.
std::vector<std::vector<int>> taken(const std::vector<Share>& shares, const DeviceInfo& device) {
  detail::GroupPool pool(device.id, device.groups, device.granularity.count, device.remainder.count);
  std::vector<PartitionRequest> requests;
  for (const auto& share : shares) requests.push_back(share.request);
  return pool.take(requests);
}

TEST(Division, ASingleLaneGetsTheWholeDevice) {
  EXPECT_EQ(divided(Builder().urgent("a"), h200()), "a=rest");
  EXPECT_EQ(divided(Builder().best_effort("a"), cpu_of(1)), "a=rest");
}

TEST(Division, LanesGetEvenSharesAndTheLastTheRemainder) {
  EXPECT_EQ(divided(Builder().urgent("a").best_effort("b").urgent("c"), h200()), "a=40 c=40 b=rest");
  EXPECT_EQ(divided(Builder().urgent("a").urgent("b"), h200()), "a=56 b=rest");
  EXPECT_EQ(divided(Builder().urgent("a").urgent("b").urgent("c"), cpu_of(8)), "a=2 b=2 c=rest");
}

TEST(Division, LanesWithUnitsAreServedFirst) {
  EXPECT_EQ(divided(Builder().urgent("a", 8).urgent("b").best_effort("c"), h200()), "a=8 b=56 c=rest");
  // 20 units take three groups.
  EXPECT_EQ(divided(Builder().urgent("a", 20).urgent("b").urgent("c"), h200()), "a=20 b=48 c=rest");
}

TEST(Division, ALaneWithTheRestLeavesEvenShares) {
  EXPECT_EQ(divided(Builder().urgent("a", rest).urgent("b").best_effort("c"), h200()), "a=rest b=56 c=56");
  EXPECT_EQ(divided(Builder().urgent("a", rest).urgent("b", 8), h200()), "a=rest b=8");
}

TEST(Division, LanesWithUnitsGetNoMore) {
  EXPECT_EQ(divided(Builder().urgent("a", 8).best_effort("b", 16), h200()), "a=8 b=16");
}

TEST(Division, ComposedNamesAreUnique) {
  const auto shares = divide(Builder().best_effort("a+b", 1).urgent("a").urgent("b").config(), cpu_of(2));
  ASSERT_EQ(shares.size(), 2U);
  EXPECT_EQ(shares[0].request.name, "a+b");
  EXPECT_EQ(shares[1].request.name, "a+b (2)");
  EXPECT_NO_THROW((void)taken(shares, cpu_of(2)));
}

TEST(Division, AWrittenDivisionIsTheSameDivision) {
  const auto config = Builder().urgent("policy").urgent("vision").best_effort("head").best_effort("hog").config();
  for (const auto& device : {cpu_of(2), cpu_of(3), cpu_of(4), cpu_of(9), h200(), device_of(3, 8, 12)}) {
    const auto written = divided(config, device);
    EXPECT_EQ(text_of(divide(written, device)), text_of(divide(config, device))) << device.groups;
    for (const auto& lane : written.lanes) EXPECT_NE(lane.units.has_value(), !lane.beside.empty()) << lane.name;
    EXPECT_EQ(written.engines.size(), 4U);
  }
  const auto two = divided(config, cpu_of(2)).lanes;
  ASSERT_EQ(two.size(), 4U);
  EXPECT_EQ(two[0].name, "policy");
  EXPECT_EQ(two[1].beside, "policy");
  EXPECT_EQ(two[2].name, "head");
  EXPECT_EQ(two[3].beside, "head");
}

TEST(Division, AnEmptyBesideMeansNoLane) {
  EXPECT_EQ(divided(Builder().best_effort("").urgent("policy").best_effort("b"), cpu_of(3)), "policy=1 =1 b=rest");
}

TEST(Division, BestEffortLanesShareIfGroupsAreFew) {
  EXPECT_EQ(divided(Builder().urgent("a").best_effort("b").best_effort("c"), cpu_of(2)), "a=1 b+c=1");
  EXPECT_EQ(divided(Builder().urgent("a").urgent("b").best_effort("c"), cpu_of(2)), "a+b=1 c=1");
  EXPECT_EQ(divided(Builder().urgent("a").urgent("b").urgent("c"), cpu_of(2)), "a+c=1 b=1");
  EXPECT_EQ(divided(Builder().best_effort("a").best_effort("b").best_effort("c"), cpu_of(2)), "a+c=1 b=1");
}

TEST(Division, TheOddGroupIsUsedIfGroupsAreFew) {
  EXPECT_EQ(divided(Builder().urgent("a").best_effort("b").best_effort("c"), device_of(2, 8, 12)), "a=8 b+c=rest");
}

TEST(Division, AllLanesShareASingleCore) {
  EXPECT_EQ(divided(Builder().urgent("a").best_effort("b"), cpu_of(1)), "a+b=1");
}

TEST(Division, AnUrgentEngineMakesItsLaneUrgent) {
  auto config = Builder().best_effort("a").urgent("b").config();
  EXPECT_FALSE(is_urgent(config, "a"));
  EXPECT_TRUE(is_urgent(config, "b"));
  config.engines[1].lane = "a";
  EXPECT_TRUE(is_urgent(config, "a"));
  EXPECT_FALSE(is_urgent(config, "b"));
}

TEST(Division, ThePoolRefusesTooManyUnits) {
  const auto shares = divide(Builder().urgent("a", 10'000).urgent("b").config(), h200());
  EXPECT_THROW((void)taken(shares, h200()), PartitionError);
}

// A random pipeline on any device. fits() tells whether its lanes with units leave a group for the other lanes.
class RandomPipeline {
 public:
  explicit RandomPipeline(unsigned seed, std::optional<DeviceInfo> of = {}) : random_(seed) {
    device = of ? *of : any_device();
    const int granularity = device.granularity.count;
    const int lanes = below(6) + 1;
    bool rest_given = false;
    for (int i = 0; i < lanes; ++i) {
      std::optional<UnitRequest> units;
      const int kind = below(4);
      if (kind == 0) units = UnitRequest(below(device.units.count) + 1);
      if (kind == 1 && !std::exchange(rest_given, true)) units = UnitRequest(rest);
      if (units) groups_asked += units->is_rest() ? 1 : (units->units().count + granularity - 1) / granularity;
      const auto name = "lane" + std::to_string(i);
      if (below(2) == 0) {
        builder.urgent(name, units);
      } else {
        builder.best_effort(name, units);
      }
      open += units ? 0 : 1;
    }
  }

  [[nodiscard]] bool fits() const { return groups_asked + (open > 0 ? 1 : 0) <= device.groups; }

  DeviceInfo device;
  Builder builder;
  int groups_asked = 0;
  int open = 0;

 private:
  DeviceInfo any_device() {
    const int granularity = pick({1, 2, 4, 8, 16});
    const int groups = below(20) + 1;
    return device_of(groups, granularity, pick({0, 0, granularity / 2, granularity + 4}) % (2 * granularity));
  }
  int below(int end) { return std::uniform_int_distribution<int>(0, end - 1)(random_); }
  int pick(std::initializer_list<int> of) { return *(of.begin() + below(static_cast<int>(of.size()))); }
  std::mt19937 random_;
};

TEST(Division, EveryFittingDivisionCanBeTaken) {
  int fitting = 0;
  for (unsigned seed = 0; seed < 20'000; ++seed) {
    const RandomPipeline pipeline(seed);
    if (!pipeline.fits()) continue;
    ++fitting;
    const auto shares = divide(pipeline.builder.config(), pipeline.device);
    SCOPED_TRACE("seed " + std::to_string(seed) + ": " + text_of(shares));

    std::multiset<std::string> lanes;
    std::set<std::string> names;
    for (const auto& share : shares) {
      lanes.insert(share.lanes.begin(), share.lanes.end());
      EXPECT_TRUE(names.insert(share.request.name).second);
    }
    std::multiset<std::string> expected;
    for (const auto& lane : pipeline.builder.config().lanes) expected.insert(lane.name);
    ASSERT_EQ(lanes, expected);

    std::vector<std::vector<int>> groups;
    ASSERT_NO_THROW(groups = taken(shares, pipeline.device));
    int units = 0;
    for (std::size_t i = 0; i < shares.size(); ++i) {
      EXPECT_FALSE(groups[i].empty());
      const auto& request = shares[i].request.units;
      units += request.is_rest() ? 0 : request.units().count;
    }
    EXPECT_LE(units, pipeline.device.units.count);
  }
  EXPECT_GT(fitting, 5'000);
}

TEST(Division, TheOddGroupIsNeverAShareAlone) {
  int had = 0;
  int refused = 0;
  for (unsigned seed = 0; seed < 20'000; ++seed) {
    RandomPipeline pipeline(seed, h200());
    const auto shares = divide(pipeline.builder.config(), pipeline.device);
    SCOPED_TRACE("seed " + std::to_string(seed) + ": " + text_of(shares));
    try {
      for (const auto& groups : taken(shares, pipeline.device)) ASSERT_LT(groups.front(), pipeline.device.groups);
      ++had;
    } catch (const PartitionError& error) {
      EXPECT_FALSE(pipeline.fits());
      refused += std::string(error.what()).find("only the odd group of 12 SMs is left") != std::string::npos ? 1 : 0;
    }
  }
  EXPECT_GT(had, 5'000);
  EXPECT_GT(refused, 20);
}

TEST(Division, ALaneOnTheOddGroupAloneIsRefused) {
  const auto shares = divide(Builder().urgent("vision", 120).urgent("policy").config(), h200());
  EXPECT_THAT([&] { (void)taken(shares, h200()); },
              refuses<PartitionError>("the rest of cuda:0 to 'policy'", "only the odd group of 12 SMs is left",
                                      "'vision' holds 120", "ask for less elsewhere"));
}

TEST(Division, UrgentAndBestEffortLanesAreSeparatedOnTwoGroups) {
  for (unsigned seed = 0; seed < 20'000; ++seed) {
    const RandomPipeline pipeline(seed);
    if (pipeline.device.groups - pipeline.groups_asked < 2) continue;
    const auto& config = pipeline.builder.config();
    for (const auto& share : divide(config, pipeline.device)) {
      const auto urgent = std::ranges::count_if(share.lanes, [&](const auto& lane) { return is_urgent(config, lane); });
      EXPECT_TRUE(urgent == 0 || urgent == std::ssize(share.lanes)) << "seed " << seed << ", " << share.request.name;
    }
  }
}

TEST(Division, ALaneBesideAnotherJoinsItsShare) {
  const auto config =
      Builder().urgent("policy", UnitRequest(8)).urgent("vision").best_effort("head").beside("vision").config();
  EXPECT_EQ(text_of(divide(config, h200())), "policy=8 vision+head=rest");
}

TEST(Division, AnUrgentLaneBesideMakesALaneUrgent) {
  const auto config = Builder().best_effort("head").urgent("vision").beside("head").config();
  EXPECT_TRUE(is_urgent(config, "head"));
}

}  // namespace
}  // namespace greenlane::runtime
