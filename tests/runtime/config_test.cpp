#include "support/runtime_folder.hpp"

#include <greenlane/detail/runtime/config.hpp>

#include <gmock/gmock.h>

namespace greenlane::runtime {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;

class ConfigTest : public ::testing::Test {
 protected:
  ConfigTest() {
    for (const auto* file : {"a.pt2", "a.inputs.pt", "a.outputs.pt", "deep/b.pt2", "deep/b.inputs.pt"})
      (void)folder_.write(file, "x");
  }
  [[nodiscard]] PipelineConfig load(const std::string& text) const {
    return load_config(folder_.write("pipeline.toml", text));
  }

  Folder folder_;
};

const std::string kA = "model = 'a.pt2'\ninputs = 'a.inputs.pt'\n";
const std::string kB = "model = 'deep/b.pt2'\ninputs = 'deep/b.inputs.pt'\n";

TEST_F(ConfigTest, EveryKeyIsRead) {
  const auto config = load(
      "device = 'cpu'\n"
      "libraries = ['libops.so', 'lib/ops.so', '/opt/ops.so']\n"
      "[engine.policy]\n" +
      kA +
      "rate_hz = 200\ndeadline_ms = 2.5\n"
      "[engine.vision]\n" +
      kB +
      "rate_hz = 12.5\nlane = 'perception'\n"
      "[lane.perception]\nunits = 3\n");
  EXPECT_EQ(config.file, folder_ / "pipeline.toml");
  EXPECT_EQ(config.device, "cpu");
  // The system finds a library with a bare name.
  EXPECT_THAT(config.libraries, ElementsAre("libops.so", folder_ / "lib/ops.so", "/opt/ops.so"));

  ASSERT_EQ(config.engines.size(), 2U);
  const auto& policy = config.engines[0];
  EXPECT_EQ(policy.name, "policy");
  EXPECT_EQ(policy.model, folder_ / "a.pt2");
  EXPECT_EQ(policy.inputs, folder_ / "a.inputs.pt");
  EXPECT_EQ(policy.outputs, folder_ / "a.outputs.pt");
  EXPECT_EQ(policy.period, milliseconds(5));
  EXPECT_EQ(policy.deadline, std::chrono::microseconds(2'500));
  EXPECT_EQ(policy.lane, "policy");

  const auto& vision = config.engines[1];
  EXPECT_EQ(vision.period, milliseconds(80));
  EXPECT_EQ(vision.lane, "perception");
  EXPECT_TRUE(vision.outputs.empty());

  ASSERT_EQ(config.lanes.size(), 2U);
  EXPECT_EQ(config.lanes[0].name, "policy");
  EXPECT_FALSE(config.lanes[0].units);
  EXPECT_EQ(config.lanes[1].name, "perception");
  EXPECT_EQ(config.lanes[1].units->units().count, 3);
}

TEST_F(ConfigTest, OmittedKeysHaveTheirDefaults) {
  const auto config = load("[engine.a]\n" + kA);
  EXPECT_EQ(config.device, "auto");
  EXPECT_TRUE(config.libraries.empty());
  EXPECT_FALSE(config.engines.at(0).period);
  EXPECT_FALSE(config.engines.at(0).deadline);
  EXPECT_EQ(config.engines.at(0).lane, "a");
}

TEST_F(ConfigTest, ThePeriodIsTheDefaultDeadline) {
  EXPECT_EQ(load("[engine.a]\n" + kA + "rate_hz = 50\n").engines.at(0).deadline, milliseconds(20));
}

TEST_F(ConfigTest, EnginesAndLanesKeepTheFilesOrder) {
  const auto config = load("[lane.zero]\nunits = 1\n[engine.zebra]\n" + kA + "[engine.ant]\n" + kA +
                           "lane = 'zero'\n[engine.mole]\n" + kA);
  std::vector<std::string> engines;
  for (const auto& engine : config.engines) engines.push_back(engine.name);
  EXPECT_THAT(engines, ElementsAre("zebra", "ant", "mole"));
  std::vector<std::string> lanes;
  for (const auto& lane : config.lanes) lanes.push_back(lane.name);
  EXPECT_THAT(lanes, ElementsAre("zebra", "zero", "mole"));
}

TEST_F(ConfigTest, TwelveEnginesKeepTheFilesOrder) {
  std::string text;
  std::vector<std::string> names;
  for (int i = 12; i > 0; --i) {
    names.push_back(std::string("e").append(std::to_string(i)));
    text += "[engine." + names.back() + "]\n" + kA;
  }
  std::vector<std::string> engines;
  for (const auto& engine : load(text).engines) engines.push_back(engine.name);
  EXPECT_EQ(engines, names);
}

TEST_F(ConfigTest, EnginesMayShareALane) {
  const auto config = load("[engine.a]\n" + kA + "lane = 'one'\n[engine.b]\n" + kB + "lane = 'one'\n");
  ASSERT_EQ(config.lanes.size(), 1U);
  EXPECT_EQ(config.lanes[0].name, "one");
}

TEST_F(ConfigTest, ALaneMayHaveTheRestOrNoUnits) {
  const auto config = load("[engine.a]\n" + kA + "[engine.b]\n" + kB + "[lane.a]\nunits = 'rest'\n[lane.b]\n");
  EXPECT_TRUE(config.lanes.at(0).units->is_rest());
  EXPECT_FALSE(config.lanes.at(1).units);
}

TEST_F(ConfigTest, ALaneMayBeBesideAnother) {
  const auto config = load("[engine.a]\n" + kA + "[engine.b]\n" + kB + "[lane.b]\nbeside = 'a'\n");
  EXPECT_EQ(config.lanes.at(0).beside, "");
  EXPECT_EQ(config.lanes.at(1).beside, "a");
}

TEST_F(ConfigTest, PathsMayBeAbsolute) {
  const auto config = load("[engine.a]\nmodel = '" + (folder_ / "a.pt2").string() + "'\ninputs = '" +
                           (folder_ / "a.inputs.pt").string() + "'\n");
  EXPECT_EQ(config.engines.at(0).model, folder_ / "a.pt2");
}

TEST_F(ConfigTest, AnEnginesNameMayHaveDots) {
  const auto config = load("[engine.'vision.left']\n" + kA + "[lane.'vision.left']\nunits = 2\n");
  EXPECT_EQ(config.engines.at(0).name, "vision.left");
  EXPECT_EQ(config.lanes.at(0).units->units().count, 2);
}

TEST_F(ConfigTest, EveryValidDeviceIsAccepted) {
  for (const std::string device : {"auto", "cpu", "cuda", "cuda:0", "cuda:17"}) {
    EXPECT_EQ(load("device = '" + device + "'\n[engine.a]\n" + kA).device, device);
  }
}

TEST_F(ConfigTest, GraphsAreResidentAndTunedByDefault) {
  const auto config = load("[engine.one]\n" + kA + "[engine.two]\n" + kB + "graphs = 'off'\n[engine.three]\n" + kA +
                           "graphs = 'resident'\ntune_kernels = false\n");
  ASSERT_EQ(config.engines.size(), 3U);
  EXPECT_TRUE(config.engines[0].graphs);
  EXPECT_TRUE(config.engines[0].tune_kernels);
  EXPECT_FALSE(config.engines[1].graphs);
  EXPECT_TRUE(config.engines[2].graphs);
  EXPECT_FALSE(config.engines[2].tune_kernels);
}

TEST_F(ConfigTest, StatefulDeclaresHiddenState) {
  const auto config = load("[engine.one]\n" + kA + "[engine.two]\n" + kB + "stateful = true\nseed = 0\n");
  EXPECT_FALSE(config.engines[0].stateful);
  EXPECT_TRUE(config.engines[1].stateful);
  EXPECT_EQ(config.engines[0].seed, std::nullopt);
  EXPECT_EQ(config.engines[1].seed, 0U);
}

TEST_F(ConfigTest, KeysOfServingAreRead) {
  const auto config = load("[engine.a]\n" + kA +
                           "request_queue = 7\non_error = 'stop'\nhang_ms = 250\ncheck_outputs = true\n"
                           "[engine.b]\n" +
                           kB);
  const auto& set = config.engines[0];
  EXPECT_EQ(set.request_queue, 7U);
  EXPECT_TRUE(set.stops_on_error);
  EXPECT_EQ(set.hang_after, milliseconds(250));
  EXPECT_TRUE(set.check_outputs);
  const auto& usual = config.engines[1];
  EXPECT_EQ(usual.request_queue, 64U);
  EXPECT_FALSE(usual.stops_on_error);
  EXPECT_EQ(usual.hang_after, std::chrono::seconds(5));
  EXPECT_FALSE(usual.check_outputs);
}

TEST_F(ConfigTest, AnEngineMayBeAModule) {
  const auto config = load(
      "[engine.a]\nmodule = 'detector'\ninputs = 'a.inputs.pt'\n[engine.b]\nmodule = 'head'\npython = true\ninputs = "
      "'a.inputs.pt'\n");
  EXPECT_EQ(config.engines[0].module, "detector");
  EXPECT_TRUE(config.engines[0].model.empty());
  EXPECT_FALSE(config.engines[0].python);
  EXPECT_TRUE(config.engines[1].python);
}

TEST_F(ConfigTest, ALaneMayNameItsDevice) {
  const auto config = load("[engine.a]\n" + kA + "[engine.b]\n" + kB +
                           "[lane.a]\ndevice = 'cuda:1'\nunits = 8\n[lane.b]\nbeside = 'a'\n");
  EXPECT_EQ(config.lanes[0].device, "cuda:1");
  EXPECT_EQ(config.lanes[1].device, "cuda:1") << "a lane beside another has that one's device";
}

TEST_F(ConfigTest, ALaneBesideAnotherIsOnItsDevice) {
  const auto lanes = [&](const std::string& device, const std::string& a, const std::string& b) {
    return load(device + "[engine.a]\n" + kA + "[engine.b]\n" + kA + "[lane.a]\n" + a + "[lane.b]\nbeside = 'a'\n" + b)
        .lanes;
  };
  EXPECT_EQ(lanes("", "device = 'cuda:1'\n", "")[1].device, "cuda:1");
  EXPECT_EQ(lanes("", "device = 'cuda:1'\n", "device = 'cuda:1'\n")[1].device, "cuda:1");
  EXPECT_EQ(lanes("device = 'cpu'\n", "", "device = 'cpu'\n")[1].device, "") << "the pipeline's device by its name";
}

TEST_F(ConfigTest, EachEngineAndTheDefaultStreamCount) {
  EXPECT_EQ(streams_of(load("[engine.one]\n" + kA + "[engine.two]\n" + kA)), 3);
  EXPECT_EQ(streams_of(load("[engine.one]\n" + kA + "[engine.two]\n" + kA + "lane = 'one'\n")), 3)
      << "the count has too few streams for a plan with a lane per engine";
}

TEST_F(ConfigTest, GatesAndArrivalsAreRead) {
  const auto config = load("[engine.one]\n" + kA + "[engine.two]\n" + kA + "gates = 'off'\n[engine.three]\n" + kA +
                           "gates = '50us'\n[engine.four]\n" + kA + "gates = '1.5ms'\n[engine.five]\n" + kA +
                           "rate_hz = 5\narrivals = 'poisson'\n");
  ASSERT_EQ(config.engines.size(), 5U);
  EXPECT_TRUE(config.engines[0].gates);
  EXPECT_EQ(config.engines[0].slice, std::nullopt);
  EXPECT_FALSE(config.engines[1].gates);
  EXPECT_EQ(config.engines[2].slice, std::chrono::microseconds(50));
  EXPECT_EQ(config.engines[3].slice, std::chrono::microseconds(1'500));
  EXPECT_EQ(config.engines[3].arrivals, Arrivals::periodic);
  EXPECT_EQ(config.engines[4].arrivals, Arrivals::poisson);
}

}  // namespace
}  // namespace greenlane::runtime
