#include "support/fake_driver_test.hpp"
#include "support/matchers.hpp"
#include "support/runtime_folder.hpp"
#include "support/torch_models.hpp"

#include <greenlane/core/log.hpp>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <fstream>
#include <thread>
#include <vector>

namespace greenlane {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using models::path_of;

bool has_gpu() { return Device::enumerate().size() > 1; }

TEST(AotiLoad, AMissingFileIsRefused) {
  EXPECT_THAT([] { (void)load_aoti("/nowhere/policy.pt2"); },
              refuses<EngineError>("/nowhere/policy.pt2", "there is no such file", "check the path"));
}

TEST(AotiLoad, AnotherKindOfFileIsRefused) {
  // The first file is no zip archive. The second one is, but no package.
  for (const auto& path : {path_of("stamp.json"), path_of("affine.inputs.pt")}) {
    EXPECT_THAT([&] { (void)load_aoti(path); },
                refuses<EngineError>(path, "no AOTInductor package", "aoti_compile_and_package"));
  }
}

TEST(AotiLoad, AFolderIsRefused) {
  EXPECT_THAT([] { (void)load_aoti(path_of("")); },
              refuses<EngineError>(path_of(""), "it is a folder", "check the path"));
}

TEST(AotiLoad, ATruncatedPackageIsRefused) {
  std::ifstream whole(path_of("affine.pt2"), std::ios::binary);
  std::string bytes(100'000, '\0');
  whole.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  const Folder folder;
  const auto path = folder / "truncated.pt2";
  std::ofstream(path, std::ios::binary) << bytes;
  EXPECT_THAT([&] { (void)load_aoti(path.string()); }, refuses<EngineError>(path.string(), "no AOTInductor package"));
}

TEST(AotiLoad, AnUnknownModelNameIsRefused) {
  EXPECT_THAT([] { (void)models::load("affine", {.model = "other"}); }, refuses<EngineError>("affine.pt2", "'other'"));
}

TEST(AotiLoad, APackageOfAnUnknownDeviceIsRefused) {
  EXPECT_THAT([] { (void)models::load("says_mps"); },
              refuses<EngineError>("says_mps.pt2", "compiled for 'mps'", "cpu and cuda"));
}

TEST(AotiLoad, ACudaPackageIsRefusedWithoutAGpu) {
  if (has_gpu()) GTEST_SKIP() << "this machine has a GPU";
  EXPECT_THAT([] { (void)models::load("says_cuda"); }, refuses<DeviceError>("there is no CUDA device", "driver"));
}

TEST(AotiLoad, APackageIsRefusedOnADeviceOfAnotherKind) {
  const DeviceId gpu{DeviceKind::cuda, 0};
  EXPECT_THAT([&] { (void)models::load("affine", {.device = gpu}); },
              refuses<EngineError>("affine.pt2", "cuda:0", "compiled for cpu"));
  const auto lane = Lane::create(Device::open("cpu"));
  EXPECT_THAT([&] { (void)models::load("says_cuda", {.lane = lane}); },
              refuses<EngineError>("says_cuda.pt2", "cannot run on cpu", "compiled for cuda"));
}

TEST(AotiLoad, AClosedLaneIsRefused) {
  auto lane = Lane::create(Device::open("cpu"), {.name = "gone"});
  lane.close();
  EXPECT_THAT([&] { (void)models::load("affine", {.lane = lane}); },
              refuses<StreamError>("'affine'", "'gone'", "closed"));
}

TEST(AotiLoad, ZeroRunnersAreRefused) {
  EXPECT_THAT([] { (void)models::load("affine", {.num_runners = 0}); }, refuses<EngineError>("num_runners"));
}

TEST(AotiLoad, TheFileNameIsTheDefaultName) {
  EXPECT_EQ(models::load("affine")->name(), "affine");
  EXPECT_EQ(models::load("affine", {.name = "policy"})->name(), "policy");
}

TEST(AotiLoad, AnEngineDescribesItself) {
  const auto engine = models::load("pair");
  EXPECT_EQ(engine->device(), Device::open("cpu"));
  EXPECT_EQ(engine->metadata().at("AOTI_DEVICE_KEY"), "cpu");
  ASSERT_EQ(engine->signature().inputs().size(), 2U);
  EXPECT_EQ(to_string(engine->signature().inputs()[0]), "float32 [2..32, 8]");
  EXPECT_EQ(to_string(engine->signature().inputs()[1]), "int64 [2..32]");
  EXPECT_EQ(engine->call_spec().size(), 2U);
  EXPECT_EQ(engine->lane(), std::nullopt);
}

TEST(AotiLoad, APackageWithoutSourceGivesOneWarning) {
  std::vector<std::string> warnings;
  const auto former = set_warning_sink([&](const std::string& text) { warnings.push_back(text); });
  const auto engine = models::load("stripped");
  set_warning_sink(former);
  EXPECT_THAT(warnings, ElementsAre(AllOf(HasSubstr("'stripped' cannot be checked"), HasSubstr("wrapper source"),
                                          HasSubstr("AOTI_RUNTIME_CHECK_INPUTS=1"))));
  EXPECT_EQ(engine->signature().count(), std::nullopt);
  EXPECT_EQ(difference(engine->run(models::inputs_of("affine")), models::outputs_of("affine")), "");
}

TEST(AotiLoad, AFullyCheckedPackageGivesNoWarning) {
  std::vector<std::string> warnings;
  const auto former = set_warning_sink([&](const std::string& text) { warnings.push_back(text); });
  for (const auto* name : {"affine", "pair", "threads", "throws"}) (void)models::load(name);
  set_warning_sink(former);
  EXPECT_THAT(warnings, ElementsAre());
}

TEST(AotiLoad, ManyThreadsMayLoadAtOnce) {
  const std::vector<std::string> names{"affine", "pair", "threads"};
  for (int round = 0; round < 5; ++round) {
    std::vector<std::string> differences(16, "not run");
    std::barrier together(std::ssize(differences));
    {
      std::vector<std::jthread> threads;
      for (std::size_t i = 0; i < differences.size(); ++i) {
        threads.emplace_back([&, i] {
          const auto& name = names[i % names.size()];
          together.arrive_and_wait();
          const auto engine = models::load(name);
          differences[i] = models::run_differs(*engine, name);
        });
      }
    }
    EXPECT_THAT(differences, ::testing::Each(""));
  }
}

TEST(AotiLoad, AnotherThreadMayDestroyAnEngine) {
  auto engine = models::load("affine", {.lane = Lane::create(Device::open("cpu"))});
  std::jthread([moved = std::move(engine)]() mutable {
    EXPECT_EQ(models::run_differs(*moved, "affine"), "");
    moved.reset();
  }).join();
}

// Tests with a GPU that only the driver knows.
class AotiLoadOnAFakeGpu : public fake::FakeDriverTest {};

TEST_F(AotiLoadOnAFakeGpu, KernelsOfAnotherArchitectureAreRefused) {
  EXPECT_THAT([] { (void)models::load("says_cuda"); },
              refuses<EngineError>("says_cuda.pt2", "cuda:0 (Fake H200)", "compute capability 80", "90"));
}

TEST_F(AotiLoadOnAFakeGpu, ALaneOfAnotherDeviceIsRefused) {
  const auto lane = Lane::create(gpu(), {.name = "elsewhere"});
  EXPECT_THAT([&] { (void)models::load("affine", {.lane = lane}); },
              refuses<EngineError>("affine.pt2", "cuda:0", "compiled for cpu"));
  const auto engine = models::load("affine");
  EXPECT_THAT([&] { engine->bind(lane); }, refuses<StreamError>("'affine'", "'elsewhere'", "cpu", "cuda:0"));
  EXPECT_EQ(engine->lane(), std::nullopt);
}

TEST(AotiLoad, GraphsNeedOneRunner) {
  AotiOptions options{.num_runners = 2, .graphs = Graphs::resident};
  EXPECT_THAT([&] { (void)load_aoti(path_of("affine.pt2"), options); },
              refuses<EngineError>("num_runners = 2 for CUDA graphs", "single-threaded mode", "one runner"));
  options = {.num_runners = 2, .single_threaded = true};
  EXPECT_THROW((void)load_aoti(path_of("affine.pt2"), options), EngineError);
}

TEST(AotiLoad, GraphsOnACpuChangeNothing) {
  const auto engine = load_aoti(path_of("affine.pt2"), {.graphs = Graphs::resident});
  EXPECT_FALSE(engine->graphs().has_value());
  engine->bind(Lane::create(Device::open("cpu")));
  for (int call = 0; call < 3; ++call) EXPECT_TRUE(engine->run({at::ones({4, 8})}).at(0).equal(at::full({4, 8}, 3.0F)));
}

TEST(AotiLoad, ManyThreadsMayCallASingleThreadedEngine) {
  const auto engine = load_aoti(path_of("affine.pt2"), {.single_threaded = true});
  std::vector<std::jthread> threads;
  std::atomic<int> wrong{0};
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      const auto x = at::full({4, 8}, static_cast<float>(thread));
      for (int call = 0; call < 50; ++call) wrong += engine->run({x}).at(0).equal(2 * x + 1) ? 0 : 1;
    });
  }
  threads.clear();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace greenlane
