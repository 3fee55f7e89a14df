// The data that flows between engines, as a TOML file describes it.
#include "support/matchers.hpp"
#include "support/runtime_folder.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/detail/runtime/config.hpp>

#include <gmock/gmock.h>

namespace greenlane::runtime {
namespace {

class EdgeConfigTest : public ::testing::Test {
 protected:
  using Routes = std::vector<std::vector<std::size_t>>;

  EdgeConfigTest() {
    for (const auto* file : {"a.pt2", "a.inputs.pt", "camera.pt", "first.pt"}) (void)folder_.write(file, "x");
  }

  // Returns three lines and the given ones.
  [[nodiscard]] static std::string engine(const std::string& name, const std::string& keys) {
    return "[engine." + name + "]\nmodel = 'a.pt2'\ninputs = 'a.inputs.pt'\n" + keys;
  }
  // Returns a camera in lines 1 and 2, an engine in lines 3 to 5, and its keys from line 6 on.
  [[nodiscard]] std::string with_camera(const std::string& keys) const { return camera_ + engine("a", keys); }

  [[nodiscard]] PipelineConfig load(const std::string& text, NamedFiles files = NamedFiles::must_exist) const {
    return load_config(folder_.write("pipeline.toml", text), files);
  }
  [[nodiscard]] static const EngineConfig& engine_of(const PipelineConfig& config, const std::string& name) {
    return *std::ranges::find(config.engines, name, &EngineConfig::name);
  }

  // Checks that the configuration is refused at this line, with all parts in the message, on one line.
  template <class... Parts>
  void expect_refused(const std::string& text, int line, Parts... parts) const {
    const auto file = folder_.write("pipeline.toml", text);
    const auto where = file.string() + ":" + std::to_string(line) + ": ";
    EXPECT_THAT([&] { (void)load_config(file); }, refuses<ConfigError>(where, parts...)) << text;
    EXPECT_THAT([&] { (void)load_config(file); },
                ::testing::ThrowsMessage<ConfigError>(::testing::Not(::testing::HasSubstr("\n"))))
        << text;
  }

  Folder folder_;
  const std::string camera_ = "[source.camera]\nrate_hz = 30\n";
  // Lines 1 to 7: a camera, and an engine that each of its pictures makes run.
  const std::string seeing_ = camera_ + engine("vision", "from = 'camera'\non = 'camera'\n");
};

constexpr Nanoseconds kThirtyHz(33'333'333);
constexpr std::chrono::milliseconds kFive(5);

TEST_F(EdgeConfigTest, AWholeRobotIsRead) {
  const auto config = load(camera_ + "items = 'camera.pt'\n[source.state]\nrate_hz = 200\n" +
                           engine("vision", "from = 'camera'\non = 'camera'\n") +
                           engine("policy",
                                  "from = [\n"
                                  "  'vision',\n"
                                  "  'vision.1',\n"
                                  "  { output = 'state', queue = 4, overflow = 'reject' },\n"
                                  "  { output = 'policy', initial = 'zeros' },\n"
                                  "]\n"
                                  "rate_hz = 200\n"
                                  "max_age_ms = 150\n") +
                           "[path.act]\nfrom = 'camera'\nto = 'policy'\ndeadline_ms = 60\n");

  ASSERT_EQ(config.sources.size(), 2U);
  EXPECT_EQ(config.sources[0].name, "camera");
  EXPECT_EQ(config.sources[0].period, kThirtyHz);
  EXPECT_EQ(config.sources[0].items, folder_ / "camera.pt");
  EXPECT_EQ(config.sources[1].name, "state");
  EXPECT_EQ(config.sources[1].period, kFive);
  EXPECT_TRUE(config.sources[1].items.empty());

  ASSERT_EQ(config.engines.size(), 2U);
  const auto& vision = config.engines[0];
  ASSERT_EQ(vision.edges.size(), 1U);
  EXPECT_EQ(vision.edges[0].producer, "camera");
  EXPECT_TRUE(vision.edges[0].triggers);
  EXPECT_EQ(vision.edges[0].queue, 0U);
  EXPECT_FALSE(vision.edges[0].is_feedback);
  EXPECT_FALSE(vision.has_timer);
  EXPECT_EQ(vision.period, kThirtyHz);
  EXPECT_EQ(vision.deadline, std::chrono::milliseconds(55)) << "the path's deadline less the policy's period";
  EXPECT_FALSE(vision.max_age);

  const auto& policy = config.engines[1];
  ASSERT_EQ(policy.edges.size(), 3U);
  EXPECT_EQ(policy.edges[0].producer, "vision");
  EXPECT_EQ(policy.edges[1].producer, "state");
  EXPECT_EQ(policy.edges[1].queue, 4U);
  EXPECT_EQ(policy.edges[1].overflow, Overflow::reject);
  EXPECT_EQ(policy.edges[2].producer, "policy");
  EXPECT_TRUE(policy.edges[2].is_feedback);
  EXPECT_TRUE(policy.edges[2].initial.empty());
  for (const auto& edge : policy.edges) EXPECT_FALSE(edge.triggers) << edge.producer;
  ASSERT_EQ(policy.from.size(), 4U);
  const std::vector<std::size_t> edges{0, 0, 1, 2};
  const std::vector<std::size_t> outputs{0, 1, 0, 0};
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(policy.from[i].edge, edges[i]) << i;
    EXPECT_EQ(policy.from[i].output, outputs[i]) << i;
  }
  EXPECT_TRUE(policy.has_timer);
  EXPECT_EQ(policy.period, kFive);
  EXPECT_EQ(policy.deadline, kFive);
  EXPECT_EQ(policy.max_age, std::chrono::milliseconds(150));

  ASSERT_EQ(config.paths.size(), 1U);
  EXPECT_EQ(config.paths[0].name, "act");
  EXPECT_EQ(config.paths[0].from, "camera");
  EXPECT_EQ(config.paths[0].to, "policy");
  EXPECT_EQ(config.paths[0].deadline, std::chrono::milliseconds(60));
  EXPECT_EQ(config.paths[0].routes, (Routes{{0, 1}}));
}

TEST_F(EdgeConfigTest, AFileWithoutEdgesHasNone) {
  const auto config = load(engine("a", "rate_hz = 5\n") + engine("b", ""));
  EXPECT_TRUE(config.sources.empty());
  EXPECT_TRUE(config.paths.empty());
  for (const auto& one : config.engines) EXPECT_TRUE(one.edges.empty() && one.from.empty()) << one.name;
  EXPECT_TRUE(config.engines[0].has_timer);
  EXPECT_FALSE(config.engines[1].has_timer);
}

TEST_F(EdgeConfigTest, AListMayMixStringsAndTables) {
  const auto config = load(with_camera("from = ['camera', { output = 'camera.2' }, 'camera.1']\non = []\n"));
  const auto& a = config.engines[0];
  ASSERT_EQ(a.edges.size(), 1U);
  ASSERT_EQ(a.from.size(), 3U);
  EXPECT_EQ(a.from[0].output, 0U);
  EXPECT_EQ(a.from[1].output, 2U);
  EXPECT_EQ(a.from[2].output, 1U);
}

TEST_F(EdgeConfigTest, AStringNamesTheOnlyInput) {
  const auto config = load(with_camera("from = 'camera.0'\non = ['camera']\n"));
  ASSERT_EQ(config.engines[0].from.size(), 1U);
  EXPECT_EQ(config.engines[0].from[0].output, 0U);
  EXPECT_EQ(config.engines[0].edges[0].producer, "camera");
  EXPECT_TRUE(config.engines[0].edges[0].triggers);
}

TEST_F(EdgeConfigTest, ATableDescribesTheOnlyInput) {
  const auto config = load(with_camera("from = { output = 'camera', queue = 3 }\non = 'camera'\n"));
  ASSERT_EQ(config.engines[0].edges.size(), 1U);
  EXPECT_EQ(config.engines[0].edges[0].queue, 3U);
  EXPECT_EQ(config.engines[0].from.size(), 1U);
}

TEST_F(EdgeConfigTest, ANameWithPointsWinsOverTheNumberOfAnOutput) {
  const auto config = load("[source.'cam.0']\nrate_hz = 30\n" + engine("vision", "rate_hz = 5\n") +
                           engine("'vision.1'", "rate_hz = 5\n") +
                           engine("a",
                                  "from = ['vision.1', 'vision.1.2', 'vision.0', 'vision.2', 'cam.0', 'cam.0.1']\n"
                                  "on = ['vision.1', 'cam.0']\n"));
  const auto& a = engine_of(config, "a");
  ASSERT_EQ(a.edges.size(), 3U);
  EXPECT_EQ(a.edges[0].producer, "vision.1");
  EXPECT_EQ(a.edges[1].producer, "vision");
  EXPECT_EQ(a.edges[2].producer, "cam.0");
  std::vector<std::pair<std::size_t, std::size_t>> inputs;
  for (const auto& input : a.from) inputs.emplace_back(input.edge, input.output);
  EXPECT_THAT(inputs, ::testing::ElementsAre(std::pair(0, 0), std::pair(0, 2), std::pair(1, 0), std::pair(1, 2),
                                             std::pair(2, 0), std::pair(2, 1)));
  EXPECT_TRUE(a.edges[0].triggers);
  EXPECT_FALSE(a.edges[1].triggers);
  EXPECT_TRUE(a.edges[2].triggers);
}

TEST_F(EdgeConfigTest, EntriesOfOneProducerDescribeOneEdge) {
  const auto config =
      load(with_camera("from = ['camera', { output = 'camera.1', queue = 8 }, { output = 'camera.2', overflow = "
                       "'block' }, { output = 'camera', queue = 8, overflow = 'block' }]\non = 'camera'\n"));
  const auto& a = config.engines[0];
  ASSERT_EQ(a.edges.size(), 1U);
  EXPECT_EQ(a.edges[0].queue, 8U);
  EXPECT_EQ(a.edges[0].overflow, Overflow::block);
  EXPECT_EQ(a.from.size(), 4U);
}

TEST_F(EdgeConfigTest, AFullQueueDropsTheOldestUnlessToldOtherwise) {
  const std::vector<std::pair<std::string, Overflow>> choices{{"", Overflow::drop_oldest},
                                                              {", overflow = 'drop_oldest'", Overflow::drop_oldest},
                                                              {", overflow = 'reject'", Overflow::reject},
                                                              {", overflow = 'block'", Overflow::block}};
  for (const auto& [text, overflow] : choices) {
    const auto config = load(with_camera("from = [{ output = 'camera', queue = 1000000" + text + " }]\non = []\n"));
    EXPECT_EQ(config.engines[0].edges[0].queue, 1'000'000U);
    EXPECT_EQ(config.engines[0].edges[0].overflow, overflow) << text;
  }
}

TEST_F(EdgeConfigTest, AFeedbackEdgeBeginsWithZerosOrAFile) {
  const auto with = [&](const std::string& initial) {
    return engine("a", "rate_hz = 5\nfrom = ['a', { output = 'a.1', initial = '" + initial + "' }]\n");
  };
  const auto edge_with = [&](const std::string& initial, NamedFiles files = NamedFiles::must_exist) {
    const auto config = load(with(initial), files);
    EXPECT_EQ(config.engines[0].edges.size(), 1U);
    EXPECT_TRUE(config.engines[0].edges[0].is_feedback) << initial;
    return config.engines[0].edges[0];
  };
  EXPECT_EQ(edge_with("zeros").initial, "");
  EXPECT_EQ(edge_with("first.pt").initial, folder_ / "first.pt");
  EXPECT_EQ(edge_with((folder_ / "first.pt").string()).initial, folder_ / "first.pt");
  EXPECT_EQ(edge_with("nowhere.pt", NamedFiles::may_be_missing).initial, folder_ / "nowhere.pt");
  expect_refused(with("nowhere.pt"), 5, "engine.a.from.initial", (folder_ / "nowhere.pt").string(), "does not exist",
                 "zeros");
}

TEST_F(EdgeConfigTest, RecordedItemsMayBeMissingForAPlan) {
  const auto text = camera_ + "items = 'nowhere.pt'\n" + engine("a", "from = 'camera'\non = 'camera'\n");
  EXPECT_EQ(load(text, NamedFiles::may_be_missing).sources[0].items, folder_ / "nowhere.pt");
  expect_refused(text, 3, "source.camera.items", (folder_ / "nowhere.pt").string(), "does not exist", "leave the key");
}

TEST_F(EdgeConfigTest, AnEngineMayRunForTriggersOfTheProgramOnly) {
  const auto config = load(engine("head", "on = []\n") + engine("a", "from = 'head'\non = []\ndeadline_ms = 7\n"));
  for (const auto& one : config.engines) {
    EXPECT_FALSE(one.has_timer) << one.name;
    EXPECT_FALSE(one.period) << one.name;
    for (const auto& edge : one.edges) EXPECT_FALSE(edge.triggers) << one.name;
  }
  EXPECT_FALSE(config.engines[0].deadline);
  EXPECT_EQ(config.engines[1].deadline, std::chrono::milliseconds(7));
}

TEST_F(EdgeConfigTest, NewDataGivesItsLongestPeriod) {
  const auto config = load(camera_ + "[source.state]\nrate_hz = 200\n" +
                           engine("last", "from = ['both', 'state']\non = ['state', 'both']\n") +
                           engine("both", "from = ['camera', 'timed', 'state']\non = ['camera', 'timed']\n") +
                           engine("timed", "from = 'state'\nrate_hz = 10\n") +
                           engine("quick", "from = ['camera', 'state']\non = 'state'\n"));
  EXPECT_EQ(engine_of(config, "both").period, std::chrono::milliseconds(100));
  EXPECT_EQ(engine_of(config, "last").period, std::chrono::milliseconds(100)) << "the period of its own producer";
  EXPECT_EQ(engine_of(config, "quick").period, kFive) << "the camera does not make it run";
  EXPECT_FALSE(engine_of(config, "last").has_timer);
}

TEST_F(EdgeConfigTest, OneProducerWithoutAPeriodLeavesNone) {
  const auto config = load(camera_ + engine("asked", "from = 'camera'\non = []\n") +
                           engine("a", "from = ['asked', 'camera']\non = ['asked', 'camera']\n") +
                           engine("b", "from = ['camera', 'asked']\non = ['camera', 'asked']\n"));
  EXPECT_FALSE(engine_of(config, "a").period);
  EXPECT_FALSE(engine_of(config, "b").period);
}

TEST_F(EdgeConfigTest, ASourceWithoutARateGivesNoPeriod) {
  const auto config = load("[source.camera]\n" + engine("a", "from = 'camera'\non = 'camera'\n"));
  EXPECT_FALSE(config.sources[0].period);
  EXPECT_FALSE(engine_of(config, "a").period);
}

TEST_F(EdgeConfigTest, OnlyTimersHaveTheirPeriodAsTheirDeadline) {
  const auto config = load(seeing_ + engine("given", "from = 'camera'\non = 'camera'\ndeadline_ms = 7\n") +
                           engine("timed", "from = 'camera'\nrate_hz = 200\n") +
                           engine("both", "from = 'camera'\nrate_hz = 200\ndeadline_ms = 2\narrivals = 'periodic'\n"));
  EXPECT_EQ(engine_of(config, "vision").period, kThirtyHz);
  EXPECT_FALSE(engine_of(config, "vision").deadline);
  EXPECT_EQ(engine_of(config, "given").deadline, std::chrono::milliseconds(7));
  EXPECT_EQ(engine_of(config, "timed").deadline, kFive);
  EXPECT_EQ(engine_of(config, "both").deadline, std::chrono::milliseconds(2));
}

TEST_F(EdgeConfigTest, AnEngineOnAPathHasTheRestOfItsDeadline) {
  const auto text = camera_ + engine("eye", "from = 'camera'\non = 'camera'\n") +
                    engine("mind", "from = 'eye'\nrate_hz = 50\n") + engine("hand", "from = 'mind'\non = 'mind'\n") +
                    engine("own", "from = 'hand'\non = 'hand'\ndeadline_ms = 500\n") +
                    engine("other", "from = 'camera'\non = 'camera'\n") + "[path.a]\nfrom = 'camera'\nto = 'own'\n";
  const auto config = load(text + "deadline_ms = 60\n");
  EXPECT_EQ(engine_of(config, "eye").deadline, std::chrono::milliseconds(40));
  EXPECT_EQ(engine_of(config, "mind").deadline, std::chrono::milliseconds(20)) << "a timer keeps its period";
  EXPECT_EQ(engine_of(config, "hand").deadline, std::chrono::milliseconds(40));
  EXPECT_EQ(engine_of(config, "own").deadline, std::chrono::milliseconds(500)) << "a deadline of its own stays";
  EXPECT_FALSE(engine_of(config, "other").deadline) << "it is on no path";
  EXPECT_FALSE(engine_of(load(text), "eye").deadline) << "the path has no deadline";
  EXPECT_EQ(engine_of(load(text + "deadline_ms = 20\n"), "eye").deadline, std::chrono::milliseconds(20))
      << "the timer takes the whole deadline, so nothing is taken off";
}

TEST_F(EdgeConfigTest, TheShortestDeadlineOfPathsAndRoutesCounts) {
  const auto config = load(
      camera_ + engine("eye", "from = 'camera'\non = 'camera'\n") + engine("slow", "from = 'eye'\nrate_hz = 50\n") +
      engine("fast", "from = 'eye'\non = 'eye'\n") + engine("last", "from = ['fast', 'slow']\non = 'fast'\n") +
      "[path.measured]\nfrom = 'camera'\nto = 'eye'\n"
      "[path.long]\nfrom = 'camera'\nto = 'last'\ndeadline_ms = 100\n"
      "[path.short]\nfrom = 'camera'\nto = 'fast'\ndeadline_ms = 90\n");
  EXPECT_EQ(engine_of(config, "last").deadline, std::chrono::milliseconds(80)) << "the route through the timer";
  EXPECT_EQ(engine_of(config, "eye").deadline, std::chrono::milliseconds(80));
  EXPECT_EQ(engine_of(config, "fast").deadline, std::chrono::milliseconds(90)) << "the timer is not on its route";
}

TEST_F(EdgeConfigTest, ADiamondHasTwoRoutes) {
  const auto config = load(engine("join",
                                  "from = ['left', 'right', 'camera', { output = 'join', initial = 'zeros' }]\n"
                                  "on = ['left', 'right']\n") +
                           engine("right", "from = 'top'\non = 'top'\n") +
                           engine("left", "from = ['top', { output = 'join', initial = 'zeros' }]\non = 'top'\n") +
                           engine("top", "from = 'camera'\non = 'camera'\n") +
                           engine("aside", "from = 'top'\non = 'top'\n") + "[source.camera]\nrate_hz = 30\n" +
                           "[path.all]\nfrom = 'camera'\nto = 'join'\n[path.part]\nfrom = 'camera'\nto = 'left'\n");
  ASSERT_EQ(config.paths.size(), 2U);
  EXPECT_THAT(config.paths[0].routes,
              ::testing::UnorderedElementsAre(std::vector<std::size_t>{3, 2, 0}, std::vector<std::size_t>{3, 1, 0},
                                              std::vector<std::size_t>{0}));
  EXPECT_EQ(config.paths[1].routes, (Routes{{3, 2}})) << "a feedback edge is no way";
}

TEST_F(EdgeConfigTest, APathHasAtMost64Routes) {
  const auto diamonds = [&](int count) {
    std::string text = camera_;
    std::string last = "camera";
    for (int i = 0; i < count; ++i) {
      const auto number = std::to_string(i);
      for (const std::string side : {"left", "right"})
        text += engine(side + number, "from = '" + last + "'\non = '" + last + "'\n");
      last = "join" + number;
      text += engine(last, "from = ['left" + number + "', 'right" + number + "']\non = 'left" + number + "'\n");
    }
    return text + "[path.all]\nfrom = 'camera'\nto = '" + last + "'\n";
  };
  EXPECT_EQ(load(diamonds(6)).paths[0].routes.size(), 64U);
  const auto refuse_to = [&](int count) { return "engine 'join" + std::to_string(count - 1) + "'"; };
  for (const int count : {7, 40}) {
    expect_refused(diamonds(count), 2 + 15 * count + 3, "path.all.to", "more than 64 ways from source 'camera'",
                   refuse_to(count), "earlier engine");
  }
}

TEST_F(EdgeConfigTest, AChainOfDiamondsHasAPeriod) {
  std::string text = camera_ + engine("e0", "from = 'camera'\non = 'camera'\n") +
                     engine("e1", "from = ['e0', 'camera']\non = ['e0', 'camera']\n");
  for (int i = 2; i < 50; ++i) {
    const auto one = "'e" + std::to_string(i - 1) + "'";
    const auto two = "'e" + std::to_string(i - 2) + "'";
    text += engine("e" + std::to_string(i), "from = [" + one + ", " + two + "]\non = [" + one + ", " + two + "]\n");
  }
  EXPECT_EQ(load(text).engines.back().period, kThirtyHz);
}

TEST_F(EdgeConfigTest, EachSourceHasAStream) {
  EXPECT_EQ(streams_of(load(seeing_)), 3);
  EXPECT_EQ(streams_of(load("[source.state]\nrate_hz = 200\n" + camera_ +
                            engine("a", "from = ['camera', 'state']\non = 'state'\n") + engine("b", "lane = 'a'\n"))),
            5);
}

TEST_F(EdgeConfigTest, TheTensorsOfASourceHaveNoGaps) {
  expect_refused(with_camera("from = ['camera', 'camera.2']\non = 'camera'\n"), 1, "source.camera",
                 "no engine takes its tensor 1, but one takes tensor 2", "without gaps");
  EXPECT_NO_THROW(load(with_camera("from = ['camera.1', 'camera']\non = 'camera'\n")));
}

TEST_F(EdgeConfigTest, SourcesWithMistakesAreRefused) {
  for (const std::string rate : {"0", "-1", "'fast'", "1e13", "1e7", "1e-7"}) {
    expect_refused("[source.camera]\nrate_hz = " + rate + "\n" + engine("a", "from = 'camera'\non = 'camera'\n"), 2,
                   "source.camera.rate_hz", "where the rate is not known");
  }
  expect_refused("[source.camera]\nrate = 30\n" + engine("a", "from = 'camera'\non = 'camera'\n"), 2,
                 "source.camera.rate", "did you mean 'rate_hz'?");
  expect_refused(camera_ + "items = ''\n" + engine("a", "from = 'camera'\non = 'camera'\n"), 3, "source.camera.items",
                 "empty");
  expect_refused("[source.\"\"]\nrate_hz = 30\n" + engine("a", ""), 1, "its name is empty");
  expect_refused(camera_ + engine("a", ""), 1, "source.camera:", "no engine takes from this source", "`from`",
                 "remove");
  expect_refused(engine("a", "from = 'a'\non = 'a'\n") + "[source.a]\nrate_hz = 30\n", 6,
                 "source.a:", "an engine has the same name", "another name");
  expect_refused("[sauce.camera]\nrate_hz = 30\n" + engine("a", "from = 'camera'\non = 'camera'\n"), 1, "sauce",
                 "did you mean 'source'?");
}

TEST_F(EdgeConfigTest, InvalidInputsAreRefused) {
  const std::string timer = "\nrate_hz = 5\n";
  for (const std::string value : {"3", "true"}) {
    expect_refused(with_camera("from = " + value + timer), 6, "engine.a.from:", "a list, a string or a table",
                   "[\"camera\"");
  }
  expect_refused(with_camera("from = []" + timer), 6, "engine.a.from:", "empty", "leave the key out");
  expect_refused(with_camera("from = ['camera', 3]" + timer), 6, "engine.a.from:", "a string or a table", "output =");
  for (const std::string name : {"camra", "camra.1", "camera.1.2", ".1"}) {
    expect_refused(with_camera("from = ['camera', '" + name + "']" + timer), 6,
                   "engine.a.from:", "no source or engine '" + name + "'", "known here: camera, a");
  }
  for (const std::string number : {"", "x", "-1", "1x", "+1", " 1", "99999999999999999999999", "1000"}) {
    expect_refused(with_camera("from = ['camera', 'camera." + number + "']" + timer), 6,
                   "engine.a.from:", "'" + number + "' is no number of an output of 'camera'",
                   "\"camera.1\" for the second");
  }
  expect_refused(with_camera("from = [\n'camera',\n\n'camra',\n]" + timer), 9, "engine.a.from:");
}

TEST_F(EdgeConfigTest, InvalidEntriesAreRefused) {
  const auto with = [&](const std::string& keys) {
    return with_camera("from = [\n'camera',\n{ " + keys + " }]\nrate_hz = 5\n");
  };
  expect_refused(with("queue = 8"), 8, "engine.a.from.output", "missing", "output = \"vision\"");
  expect_refused(with("output = 'camera', quue = 8"), 8, "engine.a.from.quue", "did you mean 'queue'?",
                 "known here: initial, output, overflow, queue");
  expect_refused(with("output = 3"), 8, "engine.a.from.output", "must be a string");
  for (const std::string value : {"0", "-1", "1000001", "1.5", "'many'"})
    expect_refused(with("output = 'camera', queue = " + value), 8, "engine.a.from.queue", "from 1 to 1000000");
  expect_refused(with("output = 'camera', queue = 8, overflow = 'wait'"), 8, "engine.a.from.overflow", "no such choice",
                 "\"drop_oldest\" (the default), \"reject\" or \"block\"");
  expect_refused(with("output = 'camera', overflow = 'reject'"), 8, "engine.a.from.overflow", "only a queue",
                 "`queue`");
  expect_refused(with("output = 'camera', initial = ''"), 8, "engine.a.from.initial", "empty", "zeros");
  expect_refused(with("output = 'camera', initial = true"), 8, "engine.a.from.initial", "must be a string");
}

TEST_F(EdgeConfigTest, AFeedbackEdgeIsNoQueue) {
  expect_refused(
      engine("a", "rate_hz = 5\nfrom = [{ output = 'a', initial = 'zeros' },\n{ output = 'a', queue = 8 }]\n"), 6,
      "engine.a.from.queue", "cannot be a queue", "leave `queue` or `initial` out");
}

TEST_F(EdgeConfigTest, ContradictionsBetweenEntriesAreRefused) {
  const auto with = [&](const std::string& one, const std::string& other) {
    return with_camera("from = [\n{ output = 'camera', " + one + " },\n{ output = 'camera.1', " + other +
                       " }]\nrate_hz = 5\n");
  };
  const std::string remedy = "give it once";
  expect_refused(with("queue = 8", "queue = 9"), 8, "engine.a.from.queue", "another `queue`", remedy);
  expect_refused(with("queue = 8, overflow = 'reject'", "overflow = 'block'"), 8, "engine.a.from.overflow",
                 "another `overflow`", remedy);
  expect_refused(with("initial = 'zeros'", "initial = 'first.pt'"), 8, "engine.a.from.initial", "another `initial`",
                 remedy);
}

TEST_F(EdgeConfigTest, InvalidTriggersAreRefused) {
  expect_refused(with_camera("from = 'camera'\non = 3\n"), 7, "engine.a.on", "list of strings");
  expect_refused(with_camera("from = 'camera'\non = ['camera', 3]\n"), 7, "engine.a.on", "list of strings");
  for (const std::string name : {"camera.1", "b"}) {
    expect_refused(seeing_ + engine("a", "from = ['camera.1', 'vision']\non = ['vision', '" + name + "']\n"), 12,
                   "engine.a.on", "'" + name + "' is no producer in `from`", "names producers, without numbers",
                   "known here: camera, vision");
  }
  expect_refused(with_camera("on = 'camera'\n"), 6, "engine.a.on", "without `from`", "leave `on` out");
  expect_refused(with_camera("from = 'camera'\nrate_hz = 5\non = 'camera'\n"), 8, "engine.a.on", "rate_hz",
                 "leave one of the two out");
  expect_refused(engine("a", "from = [{ output = 'a', initial = 'zeros' }]\non = 'a'\n"), 5, "engine.a.on",
                 "'a' has `initial` data", "another producer");
  expect_refused(engine("a", "on = []\n"), 4, "engine.a.on", "no engine takes from it", "leave `on` out");
}

TEST_F(EdgeConfigTest, ATimerMayExcludeTriggers) {
  const auto config = load(with_camera("from = 'camera'\nrate_hz = 200\non = []\n"));
  EXPECT_TRUE(config.engines[0].has_timer);
  EXPECT_EQ(config.engines[0].deadline, kFive);
}

TEST_F(EdgeConfigTest, AnEngineThatNothingMakesRunIsRefused) {
  expect_refused(with_camera("from = 'camera'\n"), 6, "engine.a.from:", "nothing makes it run", "rate_hz", "`on`",
                 "`on = []`");
  expect_refused(with_camera("deadline_ms = 5\nfrom = 'camera'\n"), 7, "engine.a.from:", "nothing makes it run");
  expect_refused(
      camera_ + engine("vision", "") + engine("a", "rate_hz = 5\nfrom = ['camera',\n'vision.1',\n'vision']\n"), 11,
      "engine.a.from: nothing makes engine 'vision' run, so its outputs never come", "rate_hz", "`on = []`");
}

TEST_F(EdgeConfigTest, InvalidAgesAreRefused) {
  for (const std::string value : {"0", "-1", "'old'"})
    expect_refused(with_camera("from = 'camera'\nrate_hz = 5\nmax_age_ms = " + value + "\n"), 8, "engine.a.max_age_ms",
                   "positive number");
  expect_refused(with_camera("from = 'camera'\nrate_hz = 5\nmax_age_ms = 1e-7\n"), 8, "engine.a.max_age_ms",
                 "shorter than a nanosecond");
  expect_refused(engine("a", "max_age_ms = 5\n"), 4, "engine.a.max_age_ms", "only inputs that come by edges", "`from`");
}

TEST_F(EdgeConfigTest, OnlyRequestsHaveArrivals) {
  for (const std::string choice : {"poisson", "periodic"}) {
    for (const std::string on : {"'camera'", "[]"}) {
      expect_refused(with_camera("from = 'camera'\non = " + on + "\narrivals = '" + choice + "'\n"), 8,
                     "engine.a.arrivals", "an engine with `on` has no arrivals", "leave `arrivals` or `on` out");
    }
  }
  expect_refused(with_camera("from = 'camera'\nrate_hz = 5\narrivals = 'poisson'\n"), 8, "engine.a.arrivals", "timer",
                 "\"periodic\"");
}

TEST_F(EdgeConfigTest, ACycleNeedsInitialData) {
  const auto refuse = [&](const std::string& text, int line, const std::string& where, const std::string& cycle,
                          const std::string& closing) {
    expect_refused(text, line, where + ".from: edges form a cycle: " + cycle + ";", "`initial`",
                   "{ output = \"" + closing + "\", initial = \"zeros\" }");
  };
  refuse(engine("policy", "rate_hz = 5\nfrom = ['policy']\n"), 5, "engine.policy", "policy -> policy", "policy");
  refuse(camera_ + engine("vision", "on = 'camera'\nfrom = ['camera',\n'policy']\n") +
             engine("policy", "from = 'vision'\non = 'vision'\n"),
         8, "engine.vision", "vision -> policy -> vision", "policy");
  refuse(camera_ + engine("outside", "from = ['camera', 'c']\nrate_hz = 5\n") +
             engine("a", "on = 'camera'\nfrom = ['camera', 'c']\n") +
             engine("b", "on = 'a'\nfrom = ['a', 'camera']\n") + engine("c", "on = 'b'\nfrom = ['camera', 'b']\n"),
         22, "engine.c", "c -> a -> b -> c", "b");
}

TEST_F(EdgeConfigTest, ACycleMayHaveInitialDataAnywhere) {
  const auto ring = [&](int feedback) {
    std::string text = camera_;
    for (int i = 0; i < 3; ++i) {
      const auto before = "output = 'e" + std::to_string((i + 2) % 3) + "'";
      const std::string initial = i == feedback ? ", initial = 'zeros'" : "";
      text += engine("e" + std::to_string(i), "on = 'camera'\nfrom = ['camera', { " + before + initial + " }]\n");
    }
    return text;
  };
  for (int feedback = 0; feedback < 3; ++feedback) {
    const auto config = load(ring(feedback));
    for (int i = 0; i < 3; ++i) EXPECT_EQ(config.engines[i].edges[1].is_feedback, i == feedback) << feedback;
  }
  expect_refused(ring(3), 7, "edges form a cycle: e0 -> e1 -> e2 -> e0");
}

TEST_F(EdgeConfigTest, EachCycleNeedsInitialData) {
  expect_refused(camera_ +
                     engine("a", "on = 'camera'\nfrom = ['camera', { output = 'b', initial = 'zeros' },\n'c']\n") +
                     engine("b", "on = 'a'\nfrom = 'a'\n") + engine("c", "on = 'a'\nfrom = 'a'\n"),
                 8, "engine.a.from:", "edges form a cycle: a -> c -> a");
}

TEST_F(EdgeConfigTest, InitialDataNeedsACycle) {
  expect_refused(with_camera("rate_hz = 5\nfrom = [\n{ output = 'camera', initial = 'zeros' }]\n"), 8,
                 "engine.a.from.initial", "'camera' closes no cycle", "leave `initial` out");
  expect_refused(seeing_ + engine("a", "rate_hz = 5\nfrom = ['vision',\n{ output = 'vision.1', initial = 'zeros' }]\n"),
                 13, "engine.a.from.initial", "'vision' closes no cycle");
}

TEST_F(EdgeConfigTest, BlockingQueuesAreRefusedInCycles) {
  const std::string block = "queue = 8, overflow = 'block' }";
  expect_refused(camera_ + engine("eye", "on = 'camera'\nfrom = ['camera', { output = 'hand', initial = 'zeros' }]\n") +
                     engine("hand", "on = 'eye'\nfrom = ['eye',\n{ output = 'eye.1', " + block + "]\n"),
                 13, "engine.hand.from.overflow", "'eye' is part of a cycle", "\"drop_oldest\"", "\"reject\"");
  const auto config = load(camera_ +
                           engine("eye", "on = 'camera'\nfrom = [{ output = 'camera', " + block +
                                             ", { output = 'eye', initial = 'zeros' }]\n") +
                           engine("hand", "on = 'eye'\nfrom = [{ output = 'eye', " + block + "]\n"));
  for (const auto& one : config.engines) EXPECT_EQ(one.edges[0].overflow, Overflow::block) << "it is in no cycle";
}

TEST_F(EdgeConfigTest, BlockingQueuesAreRefusedBehindDeadlines) {
  const std::string blocking = "on = 'vision'\nfrom = [{ output = 'vision', queue = 8, overflow = 'block' }]\n";
  const auto path = [](const std::string& to) {
    return "[path.p]\nfrom = 'camera'\nto = '" + to + "'\ndeadline_ms = 60\n";
  };
  const auto refuse = [&](const std::string& text, int line) {
    expect_refused(text, line, "engine.a.from.overflow", "engine 'vision' has a deadline", "\"reject\"");
  };
  EXPECT_EQ(load(seeing_ + engine("a", blocking)).engines[1].edges[0].overflow, Overflow::block);
  EXPECT_EQ(load(seeing_ + engine("a", blocking + "deadline_ms = 5\n")).engines[1].edges[0].overflow, Overflow::block)
      << "the deadline is the consumer's";
  refuse(seeing_ + "deadline_ms = 5\n" + engine("a", blocking), 13);
  refuse(engine("vision", "rate_hz = 5\n") + engine("a", blocking), 9);
  refuse(seeing_ + engine("a", blocking) + path("vision"), 12);
  refuse(seeing_ + engine("a", blocking) + path("a"), 12);
}

TEST_F(EdgeConfigTest, PathsWithMistakesAreRefused) {
  const auto path = [&](const std::string& keys) {
    return seeing_ + engine("a", "rate_hz = 5\n") + "[path.p]\n" + keys;
  };
  expect_refused(path("to = 'vision'\n"), 12, "path.p.from", "missing", "known here: camera");
  expect_refused(path("from = 'camera'\n"), 12, "path.p.to", "missing", "known here: vision, a");
  expect_refused(path("from = 'camra'\nto = 'vision'\n"), 13, "path.p.from", "no source 'camra'", "known here: camera");
  expect_refused(path("from = 'vision'\nto = 'vision'\n"), 13, "path.p.from", "no source 'vision'");
  expect_refused(path("from = 'camera'\nto = 'camera'\n"), 14, "path.p.to", "no engine 'camera'",
                 "known here: vision, a");
  expect_refused(path("from = 'camera'\nto = 'a'\n"), 14, "path.p.to", "no data of source 'camera' reaches engine 'a'",
                 "takes from it");
  expect_refused(path("from = 'camera'\nto = 'vision'\ndeadline = 5\n"), 15, "path.p.deadline",
                 "did you mean 'deadline_ms'?", "known here: deadline_ms, from, to");
  for (const std::string value : {"0", "-1", "'late'"})
    expect_refused(path("from = 'camera'\nto = 'vision'\ndeadline_ms = " + value + "\n"), 15, "path.p.deadline_ms",
                   "positive number");
  expect_refused(seeing_ + "[path.\"\"]\nfrom = 'camera'\nto = 'vision'\n", 8, "its name is empty");
  expect_refused(engine("a", "") + "[path.p]\nfrom = 'camera'\nto = 'a'\n", 5, "path.p.from", "no source 'camera'",
                 "[source.NAME]");
}

TEST_F(EdgeConfigTest, APathNeedsEdgesWithoutInitialData) {
  expect_refused(seeing_ + engine("a", "rate_hz = 5\nfrom = [{ output = 'b', initial = 'zeros' }]\n") +
                     engine("b", "on = ['a', 'vision']\nfrom = ['a', 'vision']\n") +
                     "[path.p]\nfrom = 'camera'\nto = 'a'\n",
                 20, "path.p.to", "no data of source 'camera' reaches engine 'a'", "`initial` do not count");
}

}  // namespace
}  // namespace greenlane::runtime
