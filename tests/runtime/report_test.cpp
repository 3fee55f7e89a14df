#include "support/matchers.hpp"
#include "support/runtime_folder.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/detail/runtime/output_file.hpp>
#include <greenlane/detail/runtime/report.hpp>
#include <greenlane/detail/runtime/trace.hpp>
#include <greenlane/version.hpp>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>

#include <future>
#include <stdexcept>

namespace greenlane::runtime {
namespace {

using nlohmann::json;
using std::chrono::microseconds;

mode_t mode_of(const std::filesystem::path& path) {
  struct stat found{};
  EXPECT_EQ(lstat(path.c_str(), &found), 0) << path;
  return found.st_mode;
}

class ResultsTest : public ::testing::Test {
 protected:
  // Returns a pipeline without engines, because only its device counts here.
  static LoadedPipeline pipeline() {
    PipelineConfig config;
    config.device = "cpu";
    config.file = "robot.toml";
    return LoadedPipeline(std::move(config));
  }
  static EngineResult engine() {
    EngineResult engine;
    engine.name = "policy";
    engine.lane = "fast";
    engine.units = 1;
    engine.cpus = {3};
    for (int i = 1; i <= 100; ++i) engine.latency.record(microseconds(i));
    engine.requests = 101;
    engine.unserved = 1;
    engine.misses = 7;
    engine.deadline = microseconds(2'500);
    engine.rate_hz = 50;
    engine.checked = true;
    return engine;
  }
  static json results(std::vector<EngineResult> engines, bool stopped_early = false) {
    ModeResult mode;
    mode.engines = std::move(engines);
    mode.measured = std::chrono::seconds(2);
    mode.spin = microseconds(2'500);
    mode.stopped_early = stopped_early;
    mode.memory_before = {.host_bytes = 10, .allocator_bytes = 20};
    ModeResult shared = mode;
    shared.mode = Mode::shared;
    return json::parse(results_json(pipeline(), std::vector{mode, shared}));
  }
};

TEST_F(ResultsTest, TheResultsHaveVersionsDeviceAndConfiguration) {
  const auto all = results({});
  EXPECT_EQ(all.at("greenlane"), kVersion);
  for (const auto* key : {"greenlane", "torch", "cuda", "driver"}) EXPECT_TRUE(all.at("versions").contains(key)) << key;
  EXPECT_EQ(all.at("device").at("id"), "cpu");
  EXPECT_EQ(all.at("config"), "robot.toml");
  ASSERT_EQ(all.at("modes").size(), 2U);
  EXPECT_EQ(all.at("modes")[0].at("mode"), "lanes");
  EXPECT_EQ(all.at("modes")[1].at("mode"), "shared");
  EXPECT_EQ(all.at("modes")[0].at("seconds"), 2);
  EXPECT_EQ(all.at("modes")[0].at("spin_ms"), 2.5);
  EXPECT_EQ(all.at("modes")[0].at("stopped_early"), false);
  EXPECT_EQ(all.at("modes")[0].at("memory").at("before").at("host_bytes"), 10);
  EXPECT_EQ(results({}, true).at("modes")[0].at("stopped_early"), true);
}

TEST_F(ResultsTest, AnEngineHasTheDocumentedFields) {
  const auto told = results({engine()}).at("modes")[0].at("engines")[0];
  EXPECT_EQ(told.at("name"), "policy");
  EXPECT_EQ(told.at("lane"), "fast");
  EXPECT_EQ(told.at("units"), 1);
  EXPECT_EQ(told.at("cpus"), json::array({3}));
  EXPECT_EQ(told.at("requests"), 101);
  EXPECT_EQ(told.at("unserved"), 1);
  EXPECT_EQ(told.at("misses"), 7);
  EXPECT_EQ(told.at("rate_hz"), 50);
  EXPECT_EQ(told.at("deadline_us"), 2'500);
  EXPECT_EQ(told.at("checked"), true);
  EXPECT_TRUE(told.at("error").is_null());
  // Durations are in microseconds.
  EXPECT_NEAR(told.at("p50_us"), 50, 0.5);
  EXPECT_NEAR(told.at("p99_us"), 99, 1);
  EXPECT_EQ(told.at("max_us"), 100);
  EXPECT_NEAR(told.at("mean_us"), 50.5, 0.5);
}

TEST_F(ResultsTest, UnknownValuesAreNull) {
  const auto told = results({EngineResult{}}).at("modes")[0].at("engines")[0];
  for (const auto* key :
       {"p50_us", "p90_us", "p99_us", "p999_us", "max_us", "mean_us", "deadline_us", "checked", "error"}) {
    EXPECT_TRUE(told.at(key).is_null()) << key;
  }
  EXPECT_FALSE(told.contains("cpus"));
}

TEST_F(ResultsTest, WrongOutputsAndErrorsAreReported) {
  auto wrong = engine();
  wrong.checked = false;
  wrong.error = "output 0 differs";
  const auto told = results({wrong}).at("modes")[0].at("engines")[0];
  EXPECT_EQ(told.at("checked"), false);
  EXPECT_EQ(told.at("error"), "output 0 differs");
}

TEST_F(ResultsTest, GraphsAreReported) {
  auto replayed = engine();
  GraphUse cut;
  cut.replays = 90;
  cut.kernel_units = 44;
  cut.bytes = 1'000;
  cut.slices = 12;
  cut.longest_slice = microseconds(30);
  cut.long_kernel = LongKernel{.name = "matmul", .time = microseconds(1090), .kernels = 2};
  replayed.graphs = cut;
  auto eager = engine();
  eager.graphs.emplace().obstacle = "it waits for the device";
  const auto told = results({replayed, eager, engine()}).at("modes")[0].at("engines");
  EXPECT_EQ(told[0].at("graphs").at("replays"), 90);
  EXPECT_EQ(told[0].at("graphs").at("kernel_units"), 44);
  EXPECT_EQ(told[0].at("graphs").at("bytes"), 1'000);
  EXPECT_TRUE(told[0].at("graphs").at("obstacle").is_null());
  EXPECT_EQ(told[0].at("graphs").at("slices"), 12);
  EXPECT_EQ(told[0].at("graphs").at("longest_slice_us"), 30);
  EXPECT_EQ(told[0].at("graphs").at("long_kernel"), json({{"name", "matmul"}, {"time_us", 1090.0}, {"kernels", 2}}));
  EXPECT_TRUE(told[1].at("graphs").at("kernel_units").is_null());
  EXPECT_TRUE(told[1].at("graphs").at("long_kernel").is_null());
  EXPECT_EQ(told[1].at("graphs").at("obstacle"), "it waits for the device");
  EXPECT_TRUE(told[2].at("graphs").is_null());
}

TEST_F(ResultsTest, AdviceIsWrittenIfThereIsAny) {
  ModeResult mode;
  mode.engines = {engine()};
  mode.engines[0].graphs.emplace().long_kernel = LongKernel{.name = "matmul", .time = microseconds(1090)};
  const auto told = [&] { return json::parse(results_json(pipeline(), std::vector{mode})).at("modes")[0]; };
  EXPECT_FALSE(told().contains("advice"));
  mode.engines[0].delays_urgent = true;
  EXPECT_THAT(told().at("advice").at(0).get<std::string>(), ::testing::HasSubstr("kernel 'matmul' takes 1090 µs"));
}

TEST_F(ResultsTest, TheGateIsReportedIfThereWasOne) {
  ModeResult mode;
  mode.mode = Mode::gates;
  mode.gate =
      GateReport{.passes = 5, .beside = 2, .held = 3, .held_time = microseconds(70), .longest_held = microseconds(40)};
  const auto told = json::parse(results_json(pipeline(), std::vector{mode, ModeResult{}})).at("modes");
  EXPECT_EQ(told[0].at("mode"), "gates");
  EXPECT_EQ(told[0].at("gate").at("passes"), 5);
  EXPECT_EQ(told[0].at("gate").at("held"), 3);
  EXPECT_EQ(told[0].at("gate").at("held_us"), 70);
  EXPECT_EQ(told[0].at("gate").at("longest_held_us"), 40);
  EXPECT_EQ(told[0].at("gate").at("limits_hit"), 0);
  EXPECT_EQ(told[0].at("gate").at("beside"), 2);
  EXPECT_FALSE(told[1].contains("gate"));
}

TEST_F(ResultsTest, BytesThatAreNotUtf8AreReplaced) {
  auto failed = engine();
  failed.error = "caf\xe9.pt: no such file";
  EXPECT_EQ(json::parse(engine_json(failed)).at("error"), "caf\uFFFD.pt: no such file");
  EXPECT_EQ(results({failed}).at("modes")[0].at("engines")[0].at("error"), "caf\uFFFD.pt: no such file");
  PipelineConfig config;
  config.device = "cpu";
  config.file = "caf\xe9.toml";
  EXPECT_EQ(json::parse(results_json(LoadedPipeline(std::move(config)), {})).at("config"), "caf\uFFFD.toml");
  ModeResult mode;
  mode.engines = {failed};
  mode.engines[0].lane = "caf\xe9";
  EXPECT_THAT(trace_json({&mode, 1}), ::testing::HasSubstr("caf\uFFFD"));
}

TEST(WriteFile, OnlyTheWholeFileIsWritten) {
  const Folder folder;
  const std::string text(100'000, 'x');
  write_file(folder / "out.json", text);
  EXPECT_EQ(folder.read("out.json"), text);
  EXPECT_THAT(folder.names(), ::testing::ElementsAre("out.json"));
}

TEST(WriteFile, AFormerFileIsReplaced) {
  const Folder folder;
  const auto file = folder.write("out.json", "former");
  write_file(file, "new");
  EXPECT_EQ(folder.read("out.json"), "new");
}

TEST(WriteFile, AFileWithTheSuffixPartIsUnchanged) {
  const Folder folder;
  (void)folder.write("out.json.part", "precious");
  check_writable(folder / "out.json");
  write_file(folder / "out.json", "new");
  EXPECT_EQ(folder.read("out.json.part"), "precious");
  EXPECT_THAT(folder.names(), ::testing::ElementsAre("out.json", "out.json.part"));
}

TEST(WriteFile, PermissionsFollowTheUmaskOrTheFormerFile) {
  const Folder folder;
  const auto former = folder.write("former.json", "former");
  std::filesystem::permissions(former, std::filesystem::perms(0604));
  const auto mask = umask(027);
  write_file(former, "new");
  write_file(folder / "new.json", "new");
  umask(mask);
  EXPECT_EQ(mode_of(former) & 0777, 0604U);
  EXPECT_EQ(mode_of(folder / "new.json") & 0777, 0640U);
}

TEST(WriteFile, TheTargetOfALinkIsReplaced) {
  const Folder folder;
  (void)folder.write("deep/real.json", "former");
  std::filesystem::create_symlink("deep/real.json", folder / "link.json");
  std::filesystem::create_symlink("deep/new.json", folder / "to_new.json");
  for (const auto* link : {"link.json", "to_new.json"}) {
    check_writable(folder / link);
    write_file(folder / link, "new");
    EXPECT_TRUE(S_ISLNK(mode_of(folder / link)));
  }
  EXPECT_EQ(folder.read("deep/real.json"), "new");
  EXPECT_EQ(folder.read("deep/new.json"), "new");
}

TEST(WriteFile, APipeIsNotReplaced) {
  const Folder folder;
  const auto pipe = folder / "pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  check_writable(pipe);
  // A pipe that is opened for reading and writing waits for nobody, and keeps what is written.
  std::fstream reader(pipe);
  write_file(pipe, "text\n");
  ASSERT_TRUE(S_ISFIFO(mode_of(pipe))) << "the pipe was replaced by a file";
  std::string line;
  std::getline(reader, line);
  EXPECT_EQ(line, "text");
}

TEST(WriteFile, ADeviceIsNotReplaced) {
  const Folder folder;
  std::filesystem::create_symlink("/dev/null", folder / "null");
  check_writable(folder / "null");
  write_file(folder / "null", "text");
  EXPECT_TRUE(S_ISLNK(mode_of(folder / "null")));
  std::filesystem::create_symlink("/dev/full", folder / "full");
  EXPECT_THAT([&] { write_file(folder / "full", "text"); },
              refuses<ConfigError>("full' cannot be written", "No space left", "free space"));
}

TEST(WriteFile, TheFileOfADescriptorIsNotReplaced) {
  const Folder folder;
  const auto file = folder.write("out.json", "");
  std::FILE* stream = std::fopen(file.c_str(), "w");
  ASSERT_NE(stream, nullptr);
  const std::filesystem::path path = "/dev/fd/" + std::to_string(fileno(stream));
  check_writable(path);
  write_file(path, "text");
  write_file(path, " more");
  std::fclose(stream);
  EXPECT_EQ(folder.read("out.json"), "text more");
  EXPECT_THAT([&] { check_writable(path); }, refuses<ConfigError>("not open for writing", "name a file"));
}

TEST(WriteFile, ConcurrentWritersDoNotMixTheirTexts) {
  const Folder folder;
  const auto write = [&](char letter) {
    for (int i = 0; i < 200; ++i) {
      check_writable(folder / "out.json");
      write_file(folder / "out.json", std::string(10'000, letter));
    }
  };
  auto other = std::async(std::launch::async, write, 'a');
  EXPECT_NO_THROW(write('b'));
  EXPECT_NO_THROW(other.get());
  EXPECT_THAT(folder.read("out.json"), ::testing::AnyOf(std::string(10'000, 'a'), std::string(10'000, 'b')));
  EXPECT_THAT(folder.names(), ::testing::ElementsAre("out.json"));
}

TEST(WriteFile, PiecesAreWrittenInOrder) {
  const Folder folder;
  std::string all;
  write_file(folder / "out.json", [&](const TextSink& sink) {
    for (const std::size_t length : {0U, 1U, 65'535U, 3U, 65'536U, 200'000U, 40'000U, 40'000U}) {
      const std::string piece(length, static_cast<char>('a' + all.size() % 26));
      all += piece;
      sink(piece);
    }
  });
  EXPECT_EQ(folder.read("out.json"), all);
}

TEST(WriteFile, AnExceptionKeepsTheFormerFile) {
  const Folder folder;
  (void)folder.write("out.json", "former");
  const auto give = [](const TextSink& sink) {
    sink(std::string(200'000, 'x'));
    throw std::length_error("broke off");
  };
  EXPECT_THAT([&] { write_file(folder / "out.json", give); }, ::testing::ThrowsMessage<std::length_error>("broke off"));
  EXPECT_EQ(folder.read("out.json"), "former");
  EXPECT_THAT(folder.names(), ::testing::ElementsAre("out.json"));
}

TEST(WriteFile, AFullDiskStopsTheSourceOfTheText) {
  int pieces = 0;
  const auto give = [&](const TextSink& sink) {
    for (; pieces < 1000; ++pieces) sink(std::string(10'000, 'x'));
  };
  EXPECT_THAT([&] { write_file("/dev/full", give); }, refuses<ConfigError>("/dev/full", "No space left", "free space"));
  EXPECT_LT(pieces, 20);
}

TEST(WriteFile, AFailedWriteLeavesNoFile) {
  const Folder folder;
  (void)folder.write("folder/inside", "x");
  for (const auto& path : {folder / "missing/out.json", folder / "folder"}) {
    EXPECT_THAT([&] { write_file(path, "text"); },
                refuses<ConfigError>(path.string(), "cannot be written", "name a file"));
  }
  EXPECT_THAT(folder.names(), ::testing::ElementsAre("folder"));
  EXPECT_EQ(folder.read("folder/inside"), "x");
}

TEST(CheckWritable, CheckWritableRefusesTheSamePaths) {
  const Folder folder;
  (void)folder.write("folder/inside", "x");
  for (const auto& path : {folder / "missing/out.json", folder / "folder"}) {
    EXPECT_THAT([&] { check_writable(path); }, refuses<ConfigError>(path.string(), "cannot be written", "name a file"));
  }
}

TEST(CheckWritable, CheckWritableChangesNoFile) {
  const Folder folder;
  const auto file = folder.write("former.json", "former");
  check_writable(file);
  check_writable(folder / "new.json");
  EXPECT_EQ(folder.read("former.json"), "former");
  EXPECT_THAT(folder.names(), ::testing::ElementsAre("former.json"));
}

}  // namespace
}  // namespace greenlane::runtime
