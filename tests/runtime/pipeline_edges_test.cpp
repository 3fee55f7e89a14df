// Sources, edges and sinks of live pipelines, with real packages on this machine's CPU.
#include "support/matchers.hpp"
#include "support/runtime_folder.hpp"
#include "support/torch_models.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/runtime/pipeline.hpp>
#include <greenlane/torch/tensor_io.hpp>

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace greenlane {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class PipelineEdgesTest : public ::testing::Test {
 protected:
  static std::string engine(const std::string& name, const std::string& model, const std::string& keys) {
    return "[engine." + name + "]\nmodel = '" + models::path_of(model + ".pt2") + "'\ninputs = '" +
           models::path_of(model + ".inputs.pt") + "'\n" + keys + "\n";
  }
  [[nodiscard]] Pipeline open(const std::string& text) const {
    return Pipeline::open(folder_.write("robot.toml", "device = 'cpu'\n[source.camera]\nrate_hz = 100\n" + text));
  }
  static at::Tensor by_hand(const at::Tensor& x) { return (x * 2 + 1) * 2 + 1; }

  Folder folder_;
};

const std::string kChain = "from = 'camera'\non = 'camera'";

TEST_F(PipelineEdgesTest, AChainGivesTheModelsOutputs) {
  auto pipeline = open(engine("first", "affine", kChain) + engine("second", "affine", "from = 'first'\non = 'first'") +
                       "[path.act]\nfrom = 'camera'\nto = 'second'\ndeadline_ms = 1e5\n");
  EXPECT_EQ(pipeline.sources(), std::vector<std::string>{"camera"});
  auto source = pipeline.source("camera");
  auto sink = pipeline.sink("second");
  EXPECT_EQ(source.name(), "camera");
  EXPECT_EQ(sink.name(), "second");
  EXPECT_FALSE(sink.latest());
  EXPECT_FALSE(sink.wait(milliseconds(1)));
  pipeline.start();
  const auto x = models::inputs_of("affine").front();
  for (std::uint64_t i = 1; i <= 20; ++i) {
    const auto item = x + static_cast<double>(i);
    const auto published = source.publish({item});
    EXPECT_EQ(published.sequence(), i);
    EXPECT_TRUE(published.was_taken());
    EXPECT_TRUE(published.is_copied());
    const auto result = sink.wait(seconds(60));
    ASSERT_TRUE(result);
    EXPECT_EQ(difference(result->outputs, {by_hand(item)}), "");
    EXPECT_EQ(result->sequence, i);
    ASSERT_EQ(result->items.size(), 1U);
    EXPECT_EQ(result->items[0].source, "camera");
    EXPECT_EQ(result->items[0].sequence, i);
    EXPECT_GT(result->age.value().count(), 0);
  }
  const auto stats = pipeline.stats();
  EXPECT_EQ(stats.sources.at(0).published, 20U);
  EXPECT_EQ(stats.paths.at(0).figures.items, 20U);
  EXPECT_EQ(stats.engines.at(1).edges.at(0).taken, 20U);
  EXPECT_EQ(stats.engines.at(1).deadline, seconds(100)) << "engines on a path with a deadline are urgent";
}

TEST_F(PipelineEdgesTest, ATriggerRunsOneEngine) {
  auto pipeline = open(engine("first", "affine", "from = 'camera'\non = []") + engine("calls", "affine", ""));
  auto first = pipeline["first"];
  EXPECT_FALSE(first.trigger()) << "there is no item";
  const auto x = models::inputs_of("affine").front();
  (void)pipeline.source("camera").publish({x});
  EXPECT_TRUE(first.trigger());
  EXPECT_EQ(difference(pipeline.sink("first").latest().value().outputs, {x * 2 + 1}), "");
  EXPECT_THAT([&] { (void)pipeline["calls"].trigger(); }, refuses<EngineError>("cannot be triggered"));
}

TEST_F(PipelineEdgesTest, ResultsAreCopies) {
  auto pipeline = open(engine("first", "affine", "from = 'camera'\non = []"));
  (void)pipeline.source("camera").publish({at::ones({4, 8})});
  ASSERT_TRUE(pipeline["first"].trigger());
  pipeline.sink("first").latest().value().outputs[0].zero_();
  EXPECT_TRUE(at::equal(pipeline.sink("first").latest().value().outputs[0], at::full({4, 8}, 3.0F)));
}

TEST_F(PipelineEdgesTest, WrongItemsAndNamesAreRefused) {
  auto pipeline = open(engine("first", "affine", kChain));
  auto source = pipeline.source("camera");
  EXPECT_THAT([&] { source.publish({at::zeros({4, 9})}); }, refuses<EngineError>("does not fit engine 'first'"));
  EXPECT_THAT([&] { source.publish({}); }, refuses<EngineError>("0 tensors"));
  EXPECT_THAT([&] { (void)pipeline.source("lidar"); }, refuses<ConfigError>("its sources are 'camera'"));
  EXPECT_THAT([&] { (void)pipeline.sink("camera"); }, refuses<ConfigError>("its engines are 'first'"));
}

TEST_F(PipelineEdgesTest, HandlesMayOutliveThePipeline) {
  std::optional<Pipeline> pipeline = open(engine("first", "affine", kChain));
  auto source = pipeline->source("camera");
  auto sink = pipeline->sink("first");
  auto engine = (*pipeline)["first"];
  std::jthread waiter([&] { EXPECT_THROW((void)sink.wait(seconds(60)), RequestError); });
  std::this_thread::sleep_for(milliseconds(50));
  pipeline.reset();
  waiter.join();
  EXPECT_THROW((void)source.publish({at::zeros({4, 8})}), RequestError);
  EXPECT_THROW((void)source.publish({at::zeros({4, 9})}), RequestError) << "the engine is gone";
  EXPECT_THROW((void)engine.trigger(), RequestError);
  EXPECT_FALSE(sink.latest());
}

}  // namespace
}  // namespace greenlane
