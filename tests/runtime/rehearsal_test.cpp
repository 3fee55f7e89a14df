// Rehearsals of whole pipelines on this machine's CPU, with real packages.
#include "support/matchers.hpp"
#include "support/runtime_folder.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/core/lane.hpp>
#include <greenlane/core/partition.hpp>
#include <greenlane/detail/runtime/rehearsal.hpp>

#include <gmock/gmock.h>

#include <optional>
#include <thread>

namespace greenlane::runtime {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using ::testing::HasSubstr;

class RehearsalTest : public ::testing::Test {
 protected:
  // Returns the table of an engine with these inputs, which may be another model's.
  static std::string engine(const std::string& name, const std::string& model, const std::string& inputs,
                            const std::string& keys = "") {
    const std::string folder = std::string(GREENLANE_TEST_MODELS) + "/";
    return "[engine." + name + "]\nmodel = '" + folder + model + ".pt2'\ninputs = '" + folder + inputs +
           ".inputs.pt'\n" + keys;
  }
  [[nodiscard]] LoadedPipeline pipeline(const std::string& text) const {
    return LoadedPipeline(load_config(folder_.write("pipeline.toml", "device = 'cpu'\n" + text)));
  }
  static RunOptions briefly() {
    RunOptions options;
    options.warm_up = milliseconds(0);
    options.duration = milliseconds(100);
    options.check = true;
    return options;
  }

  Folder folder_;
};

TEST_F(RehearsalTest, EveryModeRunsRepeatedlyWithRightOutputs) {
  auto all = pipeline(engine("a", "affine", "affine", "rate_hz = 100\n") + engine("b", "pair", "pair"));
  for (const Mode mode : {Mode::lanes, Mode::gates, Mode::shared, Mode::priority, Mode::lanes}) {
    const auto result = rehearse(all, mode, briefly());
    EXPECT_EQ(result.mode, mode);
    EXPECT_FALSE(result.stopped_early);
    ASSERT_EQ(result.engines.size(), 2U);
    EXPECT_EQ(result.engines[0].requests, 10U);
    for (const auto& one : result.engines) {
      EXPECT_GT(one.requests, 0U);
      EXPECT_EQ(one.checked, true);
      EXPECT_EQ(one.error, "");
    }
  }
}

TEST_F(RehearsalTest, UrgentEnginesWaitForGatedOnes) {
  const auto urgent = engine("a", "affine", "affine", "rate_hz = 100\n");
  auto both = pipeline(urgent + engine("b", "pair", "pair"));
  const auto gated = rehearse(both, Mode::gates, briefly());
  EXPECT_FALSE(gated.engines[0].delays_urgent);
  EXPECT_TRUE(gated.engines[1].delays_urgent);
  EXPECT_FALSE(rehearse(both, Mode::shared, briefly()).engines[1].delays_urgent);
  auto alone = pipeline(engine("b", "pair", "pair"));
  EXPECT_FALSE(rehearse(alone, Mode::gates, briefly()).engines[0].delays_urgent);
}

TEST_F(RehearsalTest, EveryRunBeginsWithTheLoadedState) {
  auto both = pipeline(engine("sum", "accumulates", "accumulates", "rate_hz = 100\n") +
                       engine("writes", "in_place", "in_place", "rate_hz = 100\n"));
  for (const Mode mode : {Mode::lanes, Mode::shared, Mode::gates}) {
    const auto result = rehearse(both, mode, briefly());
    for (const auto& one : result.engines) {
      EXPECT_EQ(one.checked, true) << one.name;
      EXPECT_EQ(one.error, "") << one.name;
    }
  }
}

TEST_F(RehearsalTest, AnEngineWithHiddenStateRunsItsRequestsOnly) {
  auto one = pipeline(engine("sum", "accumulates", "accumulates", "rate_hz = 100\nstateful = true\n"));
  auto options = briefly();
  options.warm_up = milliseconds(50);
  const auto result = rehearse(one, Mode::lanes, options);
  EXPECT_EQ(result.engines[0].requests, 10U);
  EXPECT_FALSE(result.engines[0].checked) << "outputs of an engine with hidden state were checked";
  EXPECT_EQ(result.engines[0].error, "");
}

TEST_F(RehearsalTest, UnitsReturnAfterARun) {
  auto one = pipeline(engine("a", "affine", "affine", "rate_hz = 100\n"));
  (void)rehearse(one, Mode::lanes, briefly());
  const auto cpu = Device::open("cpu");
  EXPECT_EQ(cpu.partition("all", rest).units(), cpu.info().units);
}

TEST_F(RehearsalTest, AnEngineThatThrowsDoesNotStopTheOthers) {
  auto both = pipeline(engine("bad", "throws", "out_of_table", "rate_hz = 100\n") +
                       engine("good", "affine", "affine", "rate_hz = 100\n"));
  for (int i = 0; i < 2; ++i) {
    const auto result = rehearse(both, Mode::lanes, briefly());
    EXPECT_THAT(result.engines[0].error, HasSubstr("index out of bounds"));
    EXPECT_EQ(result.engines[0].requests, 0U);
    EXPECT_NE(result.engines[0].checked, true);
    EXPECT_EQ(result.engines[1].requests, 10U);
    EXPECT_EQ(result.engines[1].error, "");
  }
}

TEST_F(RehearsalTest, OutputsAreComparedOnlyOnRequest) {
  auto one = pipeline(engine("a", "affine", "affine", "rate_hz = 100\n"));
  auto options = briefly();
  options.check = false;
  EXPECT_EQ(rehearse(one, Mode::lanes, options).engines[0].checked, std::nullopt);
}

TEST_F(RehearsalTest, ProgressGrowsUpToOne) {
  auto one = pipeline(engine("a", "affine", "affine", "rate_hz = 100\n"));
  auto options = briefly();
  options.duration = milliseconds(400);
  std::vector<double> shares;
  options.progress = [&](double share) { shares.push_back(share); };
  (void)rehearse(one, Mode::lanes, options);
  ASSERT_FALSE(shares.empty());
  EXPECT_TRUE(std::ranges::is_sorted(shares));
  EXPECT_GE(shares.front(), 0);
  EXPECT_EQ(shares.back(), 1);
}

TEST_F(RehearsalTest, AStopKeepsTheResults) {
  auto both = pipeline(engine("a", "affine", "affine", "rate_hz = 100\n") + engine("b", "affine", "affine"));
  std::atomic<bool> stop{false};
  auto options = briefly();
  options.duration = hours(1);
  options.stop = &stop;
  options.progress = [&](double /*share*/) { stop = true; };  // something has been measured by now
  const auto result = rehearse(both, Mode::lanes, options);
  EXPECT_TRUE(result.stopped_early);
  EXPECT_LT(result.measured, std::chrono::minutes(10));
  for (const auto& one : result.engines) {
    EXPECT_GT(one.requests, 0U);
    EXPECT_EQ(one.error, "");
  }
}

TEST_F(RehearsalTest, AStopBeforeTheStartMeasuresNothing) {
  auto one = pipeline(engine("a", "affine", "affine"));
  const std::atomic<bool> stop{true};
  auto options = briefly();
  options.duration = hours(1);
  options.stop = &stop;
  const auto result = rehearse(one, Mode::lanes, options);
  EXPECT_EQ(result.engines[0].requests, 0U);
  EXPECT_TRUE(result.stopped_early);
}

TEST_F(RehearsalTest, ItOpensWhileAnotherHoldsItsUnitsAndRunsWhenTheyAreFree) {
  std::optional<Partition> other = Device::open("cpu").partition("other", rest);
  auto one = pipeline(engine("a", "affine", "affine", "rate_hz = 100\n"));
  EXPECT_THAT([&] { (void)rehearse(one, Mode::lanes, briefly()); },
              refuses<ConfigError>("do not fit", "'other' holds"));
  other.reset();
  EXPECT_EQ(rehearse(one, Mode::lanes, briefly()).engines[0].error, "");
}

TEST_F(RehearsalTest, UnitsThatTheDeviceLacksAreRefusedBeforeModelsAreLoaded) {
  const auto model = folder_.write("broken.pt2", "no package");
  const auto folder = std::string(GREENLANE_TEST_MODELS) + "/";
  const auto table = "[engine.a]\nmodel = '" + model.string() + "'\ninputs = '" + folder + "affine.inputs.pt'\n";
  EXPECT_THAT([&] { (void)pipeline(table); }, refuses<ConfigError>("engine.a", "broken.pt2"));
  EXPECT_THAT([&] { (void)pipeline(table + "[lane.a]\nunits = 10000\n"); },
              refuses<ConfigError>("the lanes do not fit", "10000 cores", "[lane.*]"));
}

TEST_F(RehearsalTest, ALoadFailureNamesTheEngine) {
  const auto file = (folder_ / "pipeline.toml").string();
  EXPECT_THAT([&] { (void)pipeline(engine("a", "affine", "pair")); },
              refuses<ConfigError>(file, "engine.a", "1 inputs", "2 were given"));
  EXPECT_THAT([&] { (void)pipeline(engine("a", "says_mps", "affine")); },
              refuses<ConfigError>(file, "engine.a", "'mps'"));
}

}  // namespace
}  // namespace greenlane::runtime
