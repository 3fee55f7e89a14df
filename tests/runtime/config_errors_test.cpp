// Every mistake in a configuration gets one message with the place, the mistake, and the remedy.
#include "support/matchers.hpp"
#include "support/runtime_folder.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/detail/runtime/config.hpp>

#include <gmock/gmock.h>

namespace greenlane::runtime {
namespace {

class ConfigErrorsTest : public ::testing::Test {
 protected:
  ConfigErrorsTest() {
    for (const auto* file : {"a.pt2", "a.inputs.pt"}) (void)folder_.write(file, "x");
  }

  // Checks that the configuration is refused at this line, with all parts in the message, on one line.
  template <class... Parts>
  void expect_refused(const std::string& text, int line, Parts... parts) const {
    const auto file = folder_.write("pipeline.toml", text);
    const auto where = file.string() + ":" + std::to_string(line) + ":";
    EXPECT_THAT([&] { (void)load_config(file); }, refuses<ConfigError>(where, parts...)) << text;
    EXPECT_THAT([&] { (void)load_config(file); },
                ::testing::ThrowsMessage<ConfigError>(::testing::Not(::testing::HasSubstr("\n"))))
        << text;
  }

  Folder folder_;
};

// Three lines. The first one is the header.
const std::string kEngine = "[engine.a]\nmodel = 'a.pt2'\ninputs = 'a.inputs.pt'\n";

TEST_F(ConfigErrorsTest, AMissingFileIsRefused) {
  const auto path = folder_ / "nowhere.toml";
  EXPECT_THAT([&] { (void)load_config(path); }, refuses<ConfigError>(path.string(), "there is no such file", "TOML"));
}

TEST_F(ConfigErrorsTest, AnUnreadableFileIsRefused) {
  EXPECT_THAT([&] { (void)load_config(folder_.path()); }, refuses<ConfigError>("it is a folder", "TOML"));
  const auto loop = folder_ / "loop.toml";
  std::filesystem::create_symlink("loop.toml", loop);
  EXPECT_THAT([&] { (void)load_config(loop); }, refuses<ConfigError>(loop.string(), "cannot be reached"));
  const auto name = folder_ / (std::string(300, 'a') + ".toml");
  EXPECT_THAT([&] { (void)load_config(name); }, refuses<ConfigError>("cannot be reached"));
  EXPECT_THAT([&] { (void)load_config("/dev/null"); }, refuses<ConfigError>("/dev/null", "no plain file", "relative"));
  EXPECT_THAT([&] { (void)load_config(""); }, refuses<ConfigError>("its name is empty"));
}

TEST_F(ConfigErrorsTest, AnUnreadableModelIsRefused) {
  std::filesystem::create_symlink("loop.pt2", folder_ / "loop.pt2");
  std::filesystem::create_directory(folder_ / "d.pt2");
  const auto with = [](const std::string& model) {
    return "[engine.a]\nmodel = '" + model + "'\ninputs = 'a.inputs.pt'\n";
  };
  expect_refused(with("loop.pt2"), 2, "engine.a.model", "cannot be reached", "export the model first");
  expect_refused(with("d.pt2"), 2, "engine.a.model", "it is a folder");
  expect_refused(with(std::string(300, 'a')), 2, "engine.a.model", "cannot be reached");
  expect_refused(with("/dev/null"), 2, "engine.a.model", "no plain file");
}

TEST_F(ConfigErrorsTest, EmptyNamesAreRefused) {
  expect_refused("[engine.\"\"]\nmodel = 'a.pt2'\ninputs = 'a.inputs.pt'\n", 1, "its name is empty", "[engine.policy]");
  expect_refused(kEngine + "[lane.\"\"]\nunits = 1\n", 4, "its name is empty");
}

TEST_F(ConfigErrorsTest, EmptyTextsAreRefused) {
  const std::string is_empty = "this text is empty";
  expect_refused("device = ''\n" + kEngine, 1, "device", is_empty, "use cpu, cuda:N or auto");
  expect_refused("metrics = ''\n" + kEngine, 1, "metrics", is_empty, "leave the key out");
  expect_refused("libraries = ['a.so', '']\n" + kEngine, 1, "libraries", is_empty, "leave it out of the list");
  expect_refused("[engine.a]\nmodel = ''\n", 2, "engine.a.model", is_empty, "export the model first");
  expect_refused("[engine.a]\nmodel = 'a.pt2'\ninputs = ''\n", 3, "engine.a.inputs", is_empty, "torch.save");
  expect_refused("[engine.a]\nmodule = ''\n", 2, "engine.a.module", is_empty, "name a module");
  for (const std::string key : {"lane", "graphs", "gates", "arrivals", "on_error"})
    expect_refused(kEngine + key + " = ''\n", 4, "engine.a." + key, is_empty, "leave the key out");
  for (const std::string key : {"beside", "device"})
    expect_refused(kEngine + "[lane.a]\n" + key + " = ''\n", 5, "lane.a." + key, is_empty, "leave the key out");
  expect_refused("[source.s]\nitems = ''\n" + kEngine, 2, "source.s.items", is_empty, "leave the key out");
  for (const std::string from : {"''", "['']", "['s', '']"})
    expect_refused(kEngine + "from = " + from + "\n[source.s]\n", 4, "engine.a.from", is_empty, "name a source");
  for (const std::string key : {"output", "overflow", "initial"}) {
    const auto other = key == "output" ? "" : "output = 's', ";
    expect_refused(kEngine + "from = { " + other + key + " = '' }\n[source.s]\n", 4, "engine.a.from." + key, is_empty);
  }
  for (const std::string on : {"''", "['']"})
    expect_refused(kEngine + "from = 's'\non = " + on + "\n[source.s]\n", 5, "engine.a.on", is_empty);
  const auto flow = kEngine + "from = 's'\non = 's'\n[source.s]\n[path.p]\n";
  expect_refused(flow + "from = ''\nto = 'a'\n", 8, "path.p.from", is_empty, "known here: s");
  expect_refused(flow + "from = 's'\nto = ''\n", 9, "path.p.to", is_empty, "known here: a");
}

TEST_F(ConfigErrorsTest, TimesBelowANanosecondAreRefused) {
  expect_refused(kEngine + "rate_hz = 5\ndeadline_ms = 1e-9\n", 5, "engine.a.deadline_ms", "shorter than a nanosecond");
  expect_refused(kEngine + "gates = '0.0001us'\n", 4, "engine.a.gates", "neither a choice nor a time");
}

TEST_F(ConfigErrorsTest, MalformedTomlIsRefused) {
  expect_refused("device = 'cpu'\n[engine.a\n", 2, "no valid TOML", "docs/configuration.md");
  expect_refused("device = cpu\n", 1, "no valid TOML");
  for (const std::string letter : {"é", "\u0499", "\u2e5e", "\ufee7"})
    expect_refused("a " + letter + " = 1\n", 1, "no valid TOML");
  expect_refused(kEngine + kEngine, 4, "no valid TOML");
}

TEST_F(ConfigErrorsTest, AnUnknownKeyIsRefusedWithASuggestion) {
  expect_refused(kEngine + "rate = 5\nrate_hx = 5\n", 4, "engine.a.rate:", "no such key", "did you mean 'rate_hz'?");
  expect_refused(kEngine + "rate_hx = 5\n", 4, "engine.a.rate_hx", "no such key", "did you mean 'rate_hz'?");
  expect_refused(kEngine + "[lane.a]\nunit = 1\n", 5, "lane.a.unit", "did you mean 'units'?");
  expect_refused("devise = 'cpu'\n" + kEngine, 1, "devise", "did you mean 'device'?", "libraries");
  expect_refused(
      kEngine + "completely_different = 1\n", 4, "engine.a.completely_different",
      "known here: arrivals, batch_sizes, check_outputs, deadline_ms, from, gates, graphs, hang_ms, inputs, lane, "
      "max_age_ms, max_batch, max_delay_ms, model, module, on, on_error, "
      "python, rate_hz, request_queue, seed, stateful, tenant, tune_kernels, weight");
}

TEST_F(ConfigErrorsTest, AModelAndAModuleExcludeEachOther) {
  expect_refused("[engine.a]\nmodule = 'm'\nmodel = 'a.pt2'\ninputs = 'a.inputs.pt'\n", 3, "engine.a.model",
                 "module 'm' already", "leave one of the two out");
  expect_refused("[engine.a]\nmodule = ''\ninputs = 'a.inputs.pt'\n", 2, "engine.a.module", "is empty");
  expect_refused(kEngine + "python = true\n", 4, "engine.a.python", "only modules");
}

TEST_F(ConfigErrorsTest, InvalidKeysOfServingAreRefused) {
  for (const std::string value : {"0", "1.5", "'many'", "1000001", "-1"})
    expect_refused(kEngine + "request_queue = " + value + "\n", 4, "engine.a.request_queue", "from 1 to 1000000");
  expect_refused(kEngine + "on_error = 'panic'\n", 4, "engine.a.on_error", "no such choice", "\"keep\"");
  for (const std::string value : {"0.5", "1e10"})
    expect_refused(kEngine + "hang_ms = " + value + "\n", 4, "engine.a.hang_ms", "not between");
  expect_refused(kEngine + "check_outputs = 1\n", 4, "engine.a.check_outputs");
}

TEST_F(ConfigErrorsTest, LanesThatShareUnitsAreOnOneDevice) {
  const auto two = kEngine + "[engine.b]\nmodel = 'a.pt2'\ninputs = 'a.inputs.pt'\n";
  expect_refused(two + "[lane.a]\ndevice = 'cuda:1'\n[lane.b]\nbeside = 'a'\ndevice = 'cuda:0'\n", 10, "lane.b.beside",
                 "on another device");
  expect_refused(kEngine + "[lane.a]\ndevice = 'gpu'\n", 5, "lane.a.device", "gpu");
}

TEST_F(ConfigErrorsTest, AnUnknownTableIsRefused) {
  expect_refused(kEngine + "[lanes.a]\nunits = 1\n", 4, "lanes", "did you mean 'lane'?");
  expect_refused("[engines.a]\nmodel = 'a.pt2'\n", 1, "engines", "did you mean 'engine'?");
}

TEST_F(ConfigErrorsTest, AValueOfAnotherTypeIsRefused) {
  expect_refused("device = 3\n" + kEngine, 1, "device", "must be a string");
  expect_refused("libraries = 'one.so'\n" + kEngine, 1, "libraries", "must be a list of strings");
  expect_refused("libraries = ['one.so', 2]\n" + kEngine, 1, "libraries", "must be a list of strings");
  expect_refused(kEngine + "lane = 3\n", 4, "engine.a.lane", "must be a string");
  expect_refused(kEngine + "graphs = true\n", 4, "engine.a.graphs", "must be a string");
  expect_refused(kEngine + "tune_kernels = 'no'\n", 4, "engine.a.tune_kernels", "must be true or false");
  for (const auto* const seed : {"-1", "1.5", "'one'", "true"})
    expect_refused(kEngine + "seed = " + seed + "\n", 4, "engine.a.seed", "no whole number from 0 to 2^63 - 1");
  expect_refused(kEngine + "graphs = 'off'\nseed = 1\n", 5, "engine.a.seed", "PyTorch's default generator");
  expect_refused("[engine.a]\nmodel = 3\n", 2, "engine.a.model", "must be a string");
  expect_refused("engine = 3\n", 1, "engine", "group of tables", "[engine.name]");
  expect_refused("[engine]\na = 3\n", 2, "engine.a", "must be a table");
  expect_refused("[[engine]]\nmodel = 'a.pt2'\n", 1, "engine", "group of tables");
}

TEST_F(ConfigErrorsTest, AFileWithoutEnginesIsRefused) {
  expect_refused("device = 'cpu'\n", 1, "engine", "missing", "[engine.NAME]");
  expect_refused("", 1, "engine", "missing");
  expect_refused("[engine]\n", 1, "engine", "missing");
}

TEST_F(ConfigErrorsTest, AnEngineWithoutModelOrInputsIsRefused) {
  expect_refused("device = 'cpu'\n[engine.a]\ninputs = 'a.inputs.pt'\n", 2, "engine.a.model", "missing",
                 "a module that the program passes (`module`)");
  expect_refused("[engine.a]\nmodel = 'a.pt2'\n", 1, "engine.a.inputs", "missing", "torch.save");
}

TEST_F(ConfigErrorsTest, MissingModelsAndInputsAreRefused) {
  expect_refused("[engine.a]\nmodel = 'b.pt2'\ninputs = 'a.inputs.pt'\n", 2, "engine.a.model",
                 (folder_ / "b.pt2").string(), "does not exist", "export the model first");
  expect_refused("[engine.a]\nmodel = 'a.pt2'\ninputs = 'b.inputs.pt'\n", 3, "engine.a.inputs",
                 (folder_ / "b.inputs.pt").string(), "torch.save");
  expect_refused("[engine.a]\nmodel = '.'\ninputs = 'a.inputs.pt'\n", 2, "engine.a.model");
  expect_refused("[engine.a]\nmodel = ''\ninputs = 'a.inputs.pt'\n", 2, "engine.a.model");
}

TEST_F(ConfigErrorsTest, ImpossibleNumbersAreRefused) {
  for (const std::string value : {"0", "-1", "-0.5", "nan", "inf", "true", "'fast'", "1e13"}) {
    expect_refused(kEngine + "rate_hz = " + value + "\n", 4, "engine.a.rate_hz", "positive number");
    expect_refused(kEngine + "rate_hz = 1\ndeadline_ms = " + value + "\n", 5, "engine.a.deadline_ms",
                   "positive number");
  }
}

TEST_F(ConfigErrorsTest, AWeightIsAtMostThePlanners) {
  for (const std::string value : {"1000000.5", "1000001", "1e12"}) {
    expect_refused(kEngine + "weight = " + value + "\n", 4, "engine.a.weight", "a positive number of at most 1000000",
                   "leave the key out");
  }
  const auto file = folder_.write("pipeline.toml", kEngine + "weight = 1000000\n");
  EXPECT_EQ(load_config(file).engines.at(0).weight, kMostWeight);
}

TEST_F(ConfigErrorsTest, RatesOutsideTheClocksRangeAreRefused) {
  // The first two periods would be less than a nanosecond, the third more nanoseconds than there are.
  for (const std::string value : {"1e12", "1e10", "1e-12"})
    expect_refused(kEngine + "rate_hz = " + value + "\n", 4, "engine.a.rate_hz");
}

TEST_F(ConfigErrorsTest, ADeadlineWithoutARateIsRefused) {
  expect_refused(kEngine + "deadline_ms = 5\n", 4, "engine.a.deadline_ms", "without rate_hz", "give it a rate_hz");
}

TEST_F(ConfigErrorsTest, InvalidUnitsAreRefused) {
  for (const std::string value : {"0", "-1", "1000001", "99999999999"}) {
    expect_refused(kEngine + "[lane.a]\nunits = " + value + "\n", 5, "lane.a.units", value, "rest");
  }
  for (const std::string value : {"'many'", "1.5", "true", "[1]", "''"}) {
    expect_refused(kEngine + "[lane.a]\nunits = " + value + "\n", 5, "lane.a.units", "neither a whole number nor",
                   "rest");
  }
}

TEST_F(ConfigErrorsTest, AnUnusedLaneIsRefused) {
  expect_refused(kEngine + "[lane.b]\nunits = 1\n", 4, "lane.b", "no engine runs on this lane", "remove it");
  expect_refused("[lane.a]\nunits = 1\n" + kEngine + "[lane.b]\nunits = 1\n", 6, "lane.b",
                 "no engine runs on this lane");
}

TEST_F(ConfigErrorsTest, MistakesInAnUnusedLaneAreRefused) {
  expect_refused(kEngine + "[lane.b]\nunits = 'many'\n", 5, "lane.b.units");
}

TEST_F(ConfigErrorsTest, AnInvalidDeviceIsRefused) {
  for (const std::string device : {"gpu", "cuda:", "cuda:x", "cuda:-1", "cpu:0", "CPU"}) {
    expect_refused("\ndevice = '" + device + "'\n" + kEngine, 2, "device", "'" + device + "' is no device", "cuda:N");
  }
  for (const std::string device : {"gpu", "auto"}) {
    expect_refused(kEngine + "[lane.a]\ndevice = '" + device + "'\n", 5, "lane.a.device",
                   "'" + device + "' is no device of a lane", "use cpu or cuda:N, or leave the key out");
  }
}

TEST_F(ConfigErrorsTest, AnUnknownChoiceOfGraphsIsRefused) {
  expect_refused(kEngine + "graphs = 'on'\n", 4, "engine.a.graphs", "no such choice", "resident");
}

TEST_F(ConfigErrorsTest, InvalidGatesAreRefused) {
  for (const auto* gates : {"on", "50", "us", "-5us", "0us", "50 us", "50s", "2000ms"}) {
    expect_refused(kEngine + "gates = '" + gates + "'\n", 4, "engine.a.gates", "neither a choice nor a time", "50us");
  }
}

TEST_F(ConfigErrorsTest, InvalidArrivalsAreRefused) {
  expect_refused(kEngine + "rate_hz = 5\narrivals = 'random'\n", 5, "engine.a.arrivals", "no such choice", "poisson");
  expect_refused(kEngine + "arrivals = 'poisson'\n", 4, "engine.a.arrivals", "runs back to back", "rate_hz");
}

TEST_F(ConfigErrorsTest, ALaneBesideAnotherNeedsALaneWithUnits) {
  expect_refused(kEngine + "[lane.a]\nbeside = 'b'\n", 5, "lane.a.beside", "no engine runs on lane 'b'");
  expect_refused(kEngine + "[lane.a]\nbeside = 'a'\n", 5, "lane.a.beside", "has no units of its own");
  expect_refused(kEngine + "[lane.a]\nbeside = 'b'\nunits = 8\n", 5, "lane.a.beside", "leave one of the two out");
}

}  // namespace
}  // namespace greenlane::runtime
