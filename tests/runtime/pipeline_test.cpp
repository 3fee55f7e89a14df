// Live pipelines on this machine's CPU, with real packages and with a stand-in for modules.
#include "runtime/tensor_payload.hpp"
#include "runtime/tensor_workload.hpp"
#include "support/forked.hpp"
#include "support/matchers.hpp"
#include "support/runtime_folder.hpp"
#include "support/serving.hpp"
#include "support/torch_models.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/core/log.hpp>
#include <greenlane/core/partition.hpp>
#include <greenlane/detail/runtime/open_pipeline.hpp>
#include <greenlane/runtime/pipeline.hpp>
#include <greenlane/torch/tensor_io.hpp>

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <atomic>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <thread>
#include <vector>

namespace greenlane::runtime {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;
using Reason = RequestError::Reason;

// Stands for a module: gives its inputs back, once a function has returned.
class ModuleStandIn final : public TensorWorkload {
 public:
  explicit ModuleStandIn(std::function<void()> function = {}, bool takes_inputs = true)
      : function_(std::move(function)), takes_inputs_(takes_inputs) {}
  void bind(const Lane& /*lane*/) override {}
  void unbind() override {}
  void run() override { step(); }
  void run(Work& work) override {
    step();
    auto& tensors = static_cast<TensorWork&>(work);
    tensors.outputs = tensors.inputs();
    tensors.give_back();
  }
  std::shared_ptr<const Payload> begin(std::span<const Feed> inputs) override {
    step();
    std::vector<at::Tensor> outputs;
    for (const auto& input : inputs)
      outputs.push_back(static_cast<const TensorPayload&>(*input.payload).tensor_on(input.output, at::kCPU));
    return std::make_shared<TensorPayload>(std::move(outputs));
  }
  std::vector<at::Tensor> call(const std::vector<at::Tensor>& inputs) override {
    step();
    return inputs;
  }
  std::unique_ptr<TensorWork> prepare(const std::vector<at::Tensor>& inputs) override {
    return std::make_unique<TensorWork>(slots_, slots_->copy(inputs));
  }
  void recapture() override {}
  [[nodiscard]] bool may_be_warmed_up() const override { return false; }
  [[nodiscard]] bool takes_inputs() const override { return takes_inputs_; }
  [[nodiscard]] bool has_expected_outputs() const override { return false; }
  [[nodiscard]] std::string check() override { return {}; }

 private:
  void step() const {
    if (function_) function_();
  }
  std::function<void()> function_;
  bool takes_inputs_;
  std::shared_ptr<InputSlots> slots_ = std::make_shared<InputSlots>();
};

class PipelineTest : public ::testing::Test {
 protected:
  // Returns the table of an engine with these inputs, which may be another model's.
  static std::string engine(const std::string& name, const std::string& model, const std::string& keys = "",
                            const std::string& inputs = "") {
    return "[engine." + name + "]\nmodel = '" + models::path_of(model + ".pt2") + "'\ninputs = '" +
           models::path_of((inputs.empty() ? model : inputs) + ".inputs.pt") + "'\n" + keys;
  }
  // Returns the table of an engine that is the module of the same name.
  static std::string module(const std::string& name, const std::string& keys = "") {
    return "[engine." + name + "]\nmodule = '" + name + "'\ninputs = '" + models::path_of("affine.inputs.pt") + "'\n" +
           keys;
  }
  [[nodiscard]] std::filesystem::path file(const std::string& text) const {
    return folder_.write("robot.toml", "device = 'cpu'\n" + text);
  }
  [[nodiscard]] Pipeline open(const std::string& text, const PipelineOptions& options = {}) const {
    return Pipeline::open(file(text), options);
  }
  // Opens a pipeline whose modules are these stand-ins.
  [[nodiscard]] Pipeline open_with(const std::map<std::string, std::shared_ptr<Workload>>& modules,
                                   const std::string& text, const PipelineOptions& options = {}) const {
    static const std::atomic<bool> never{false};
    return open_pipeline(
        file(text), options,
        [&](const PipelineConfig&, const EngineConfig& engine, const Device&) { return modules.at(engine.module); },
        never);
  }
  static std::vector<at::Tensor> ones() { return {at::ones({2, 3})}; }
  template <typename Act>
  static std::optional<Reason> reason_for(const Act& act) {
    try {
      act();
    } catch (const RequestError& error) {
      return error.reason();
    }
    return std::nullopt;
  }
  static const EngineStats& of(const PipelineStats& stats, const std::string& name) {
    return *std::ranges::find(stats.engines, name, &EngineStats::name);
  }

  Folder folder_;
};

TEST_F(PipelineTest, EnginesTellTheDtypesAndSizesOfTheirTensors) {
  auto pipeline = open(engine("b", "pair", "rate_hz = 100\n"));
  const auto& inputs = pipeline["b"].inputs();
  ASSERT_EQ(inputs.size(), 2U);
  EXPECT_EQ(inputs[0].dtype, at::kFloat);
  EXPECT_EQ(inputs[1].dtype, at::kLong);
  ASSERT_EQ(inputs[0].dimensions.size(), 2U);
  EXPECT_EQ(inputs[0].dimensions[0].smallest, 2) << "the batch is from 2 to 32";
  EXPECT_EQ(inputs[0].dimensions[0].largest, 32);
  EXPECT_EQ(inputs[0].dimensions[1].smallest, 8);
  EXPECT_EQ(inputs[0].dimensions[1].largest, 8);
  const auto& outputs = pipeline["b"].outputs();
  ASSERT_EQ(outputs.size(), 3U);
  EXPECT_EQ(outputs[0].dimensions.size(), 2U);
  EXPECT_EQ(outputs[2].dtype, at::kLong);
}

TEST_F(PipelineTest, CallsAndRequestsGiveTheModelsOutputs) {
  auto pipeline = open(engine("a", "affine", "rate_hz = 100\n") + engine("b", "pair"));
  EXPECT_EQ(pipeline.engines(), (std::vector<std::string>{"a", "b"}));
  for (const auto& [name, model] : {std::pair{"a", "affine"}, std::pair{"b", "pair"}}) {
    auto one = pipeline[name];
    EXPECT_EQ(one.name(), name);
    EXPECT_THAT(one.lane().name(), HasSubstr(name)) << "both may share a lane";
    EXPECT_EQ(one.call_spec().size(), 2U);
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(difference(one.call(models::inputs_of(model)), models::outputs_of(model)), "");
      EXPECT_EQ(difference(one.submit(models::inputs_of(model), {.drop_if_late = false}).outputs(),
                           models::outputs_of(model)),
                "");
    }
  }
  const auto stats = pipeline.stats();
  EXPECT_EQ(of(stats, "a").figures.runs, 6U) << "calls on a CPU are runs";
  EXPECT_EQ(of(stats, "a").device, "cpu");
  EXPECT_EQ(of(stats, "a").deadline, milliseconds(10));
  EXPECT_EQ(of(stats, "b").deadline, std::nullopt);
  EXPECT_GT(stats.host_bytes, 0U);
  EXPECT_FALSE(stats.is_broken);
}

TEST_F(PipelineTest, OpeningChangesNoState) {
  auto pipeline = open(engine("sum", "accumulates"));
  EXPECT_EQ(difference(pipeline["sum"].call(models::inputs_of("accumulates")), models::outputs_of("accumulates")), "")
      << "the runs while it was opened left their marks";
}

TEST_F(PipelineTest, InputsOfARequestMayBeReusedAtOnce) {
  const auto door = std::make_shared<Door>();
  auto pipeline = open_with({{"slow", std::make_shared<ModuleStandIn>([door] { door->wait(); })}}, module("slow"));
  auto inputs = ones();
  auto run = pipeline["slow"].submit(inputs);
  inputs[0].fill_(5);
  door->open();
  EXPECT_TRUE(run.outputs()[0].equal(ones()[0]));
}

TEST_F(PipelineTest, ARequestDoesNotWriteToTheCallersInputs) {
  auto pipeline = open(engine("writes", "in_place"));
  const auto inputs = models::inputs_of("in_place");
  const auto before = inputs[0].clone();
  EXPECT_EQ(difference(pipeline["writes"].submit(inputs).outputs(), models::outputs_of("in_place")), "");
  EXPECT_TRUE(inputs[0].equal(before));
}

TEST_F(PipelineTest, AnUnknownEngineIsRefusedWithTheKnownOnes) {
  const auto pipeline = open(engine("a", "affine"));
  EXPECT_THAT([&] { (void)pipeline["b"]; }, refuses<ConfigError>("robot.toml", "no engine 'b'", "'a'"));
}

TEST_F(PipelineTest, APlanSetsLanesAndMode) {
  const auto plan = folder_.write("plan.json", R"({"mode": "gates", "lanes": [{"name": "one"}, {"name": "two"}],
    "engines": [{"name": "a", "lane": "two"}, {"name": "b", "lane": "one"}]})");
  auto pipeline = open(engine("a", "affine", "rate_hz = 100\n") + engine("b", "affine"), {.plan = plan});
  EXPECT_EQ(pipeline["a"].lane().name(), "two");
  EXPECT_EQ(pipeline["a"].lane().partition(), std::nullopt) << "mode gates has no partitions";
  (void)pipeline["a"].call(models::inputs_of("affine"));
  const auto stats = pipeline.stats();
  ASSERT_EQ(stats.devices.size(), 1U);
  ASSERT_TRUE(stats.devices[0].gate);
  EXPECT_EQ(stats.devices[0].gate->passes, 1U) << "an urgent call did not pass the gate";
}

TEST_F(PipelineTest, EveryModeServes) {
  for (const std::string mode : {"lanes", "gates", "shared", "priority"}) {
    auto pipeline = open(engine("a", "affine", "rate_hz = 100\n") + engine("b", "affine"), {.mode = mode});
    EXPECT_EQ(difference(pipeline["b"].submit(models::inputs_of("affine")).outputs(), models::outputs_of("affine")), "")
        << mode;
  }
  EXPECT_THAT([&] { (void)open(engine("a", "affine"), {.mode = "fast"}); }, refuses<ConfigError>("fast", "lanes"));
}

TEST_F(PipelineTest, ClosingReturnsUnitsAndRefusesTheRest) {
  auto pipeline = open(engine("a", "affine"));
  auto one = pipeline["a"];
  pipeline.close();
  pipeline.close();
  EXPECT_TRUE(pipeline.is_closed());
  const auto cpu = Device::open("cpu");
  EXPECT_EQ(cpu.partition("all", rest).units(), cpu.info().units);
  EXPECT_EQ(reason_for([&] { (void)one.call(models::inputs_of("affine")); }), Reason::closed);
  EXPECT_EQ(reason_for([&] { (void)one.submit(models::inputs_of("affine")); }), Reason::closed);
  EXPECT_EQ(reason_for([&] { (void)one.lane(); }), Reason::closed);
  EXPECT_EQ(reason_for([&] { pipeline.start(); }), Reason::closed);
  EXPECT_NO_THROW(pipeline.stop());
  EXPECT_EQ(pipeline.stats().engines.size(), 1U);
}

TEST_F(PipelineTest, HandlesMayOutliveThePipeline) {
  std::optional<PipelineEngine> one;
  std::optional<PipelineRun> run;
  {
    auto pipeline = open(engine("a", "affine"));
    one = pipeline["a"];
    run = one->submit(models::inputs_of("affine"));
    EXPECT_TRUE(run->wait_for(seconds(30)));
  }
  EXPECT_EQ(difference(run->outputs(), models::outputs_of("affine")), "");
  EXPECT_EQ(reason_for([&] { (void)one->call(models::inputs_of("affine")); }), Reason::closed);
}

TEST_F(PipelineTest, ClosingEndsAllRequests) {
  const auto door = std::make_shared<Door>();
  auto pipeline = open_with({{"slow", std::make_shared<ModuleStandIn>([door] { door->wait(); })}}, module("slow"));
  auto under_way = pipeline["slow"].submit(ones());
  door->await_visitor();
  auto waiting = pipeline["slow"].submit(ones());
  std::jthread opener([&] {
    EXPECT_TRUE(waiting.wait_for(seconds(30))) << "close() did not cancel it first";
    door->open();
  });
  pipeline.close();
  EXPECT_NO_THROW((void)under_way.outputs());
  EXPECT_EQ(reason_for([&] { (void)waiting.outputs(); }), Reason::cancelled);
  EXPECT_EQ(of(pipeline.stats(), "slow").figures.cancelled, 1U);
}

TEST_F(PipelineTest, AnEngineThatCannotRunIsNamedWhenItIsOpened) {
  EXPECT_THAT([&] { (void)open(engine("bad", "throws", "", "out_of_table")); },
              refuses<EngineError>("'bad' cannot run on lane 'bad'", "core", "index out of bounds"));
  const auto cpu = Device::open("cpu");
  EXPECT_EQ(cpu.partition("all", rest).units(), cpu.info().units) << "the units were not returned";
}

TEST_F(PipelineTest, AnEngineThatThrowsLeavesTheOthersRunning) {
  auto pipeline = open(engine("bad", "throws") + engine("good", "affine"));
  const auto wrong = models::inputs_of("out_of_table");
  EXPECT_THAT([&] { (void)pipeline["bad"].call(wrong); }, refuses<EngineError>("'bad'", "index out of bounds"));
  auto run = pipeline["bad"].submit(wrong);
  EXPECT_THAT([&] { (void)run.outputs(); }, refuses<EngineError>("'bad'", "index out of bounds"));
  EXPECT_NE(run.error(), nullptr);
  EXPECT_EQ(difference(pipeline["bad"].call(models::inputs_of("throws")), models::outputs_of("throws")), "");
  EXPECT_EQ(difference(pipeline["good"].call(models::inputs_of("affine")), models::outputs_of("affine")), "");
  EXPECT_EQ(of(pipeline.stats(), "bad").figures.failed, 2U);
}

TEST_F(PipelineTest, OnErrorStopEndsThatEngine) {
  auto pipeline = open(engine("bad", "throws", "on_error = 'stop'\n") + engine("good", "affine"));
  EXPECT_THROW((void)pipeline["bad"].call(models::inputs_of("out_of_table")), EngineError);
  EXPECT_EQ(reason_for([&] { (void)pipeline["bad"].call(models::inputs_of("throws")); }), Reason::stopped);
  EXPECT_NO_THROW((void)pipeline["good"].call(models::inputs_of("affine")));
  EXPECT_THAT(of(pipeline.stats(), "bad").error, HasSubstr("index out of bounds"));
}

TEST_F(PipelineTest, WrongInputsAreRefusedBeforeTheyAreQueued) {
  auto pipeline = open(engine("a", "affine"));
  EXPECT_THAT([&] { (void)pipeline["a"].submit({}); }, refuses<EngineError>("'a'", "0 were given"));
  EXPECT_EQ(of(pipeline.stats(), "a").figures.failed, 0U);
}

TEST_F(PipelineTest, AHangingEngineFailsAndTheOthersGoOn) {
  const auto door = std::make_shared<Door>();
  std::vector<std::string> warnings;
  auto former = set_warning_sink([&](const std::string& text) { warnings.push_back(text); });
  {
    auto pipeline = open_with({{"hangs", std::make_shared<ModuleStandIn>([door] { door->wait(); })}},
                              module("hangs", "hang_ms = 100\n") + engine("good", "affine"), {.mode = "shared"});
    auto run = pipeline["hangs"].submit(ones());
    auto waiting = pipeline["hangs"].submit(ones());
    EXPECT_THAT([&] { (void)run.outputs(); }, refuses<EngineError>("'hangs' did not finish", "hang_ms"));
    EXPECT_EQ(reason_for([&] { (void)waiting.outputs(); }), Reason::stopped);
    EXPECT_EQ(reason_for([&] { (void)pipeline["hangs"].submit(ones()); }), Reason::stopped);
    EXPECT_EQ(difference(pipeline["good"].submit(models::inputs_of("affine")).outputs(), models::outputs_of("affine")),
              "");
    EXPECT_TRUE(pipeline.stats().is_broken);
    const auto begin = Clock::now();
    pipeline.close();
    EXPECT_LT(Clock::now() - begin, seconds(20)) << "close() waited for the engine";
  }
  set_warning_sink(std::move(former));
  ASSERT_EQ(warnings.size(), 2U);
  EXPECT_THAT(warnings[0], HasSubstr("'hangs' hangs"));
  EXPECT_THAT(warnings[1], HasSubstr("engine 'hangs' did not end"));
  door->open();
}

TEST_F(PipelineTest, TimersRunEnginesWithoutInputs) {
  std::atomic<int> runs{0};
  auto pipeline =
      open_with({{"clock", std::make_shared<ModuleStandIn>([&] { ++runs; }, /*takes_inputs=*/false)},
                 {"other", std::make_shared<ModuleStandIn>([&] { runs = 1'000'000; })}},
                module("clock", "rate_hz = 1000\n") + module("other", "rate_hz = 1000\n"), {.mode = "shared"});
  EXPECT_EQ(runs, 0);
  EXPECT_FALSE(pipeline.stats().is_running);
  pipeline.start();
  pipeline.start();
  EXPECT_TRUE(pipeline.stats().is_running);
  while (runs < 5) std::this_thread::yield();
  pipeline.stop();
  const int after = runs;
  std::this_thread::sleep_for(milliseconds(20));
  EXPECT_EQ(runs, after) << "a timer ran after stop()";
  EXPECT_LT(runs, 1'000'000) << "an engine that waits for inputs was run by a timer";
  EXPECT_EQ(of(pipeline.stats(), "clock").figures.runs, static_cast<unsigned>(after));
  pipeline.start();
  while (runs == after) std::this_thread::yield();
}

TEST_F(PipelineTest, MissesAreReported) {
  std::atomic<int> heard{0};
  PipelineOptions options;
  options.on_miss = [&](const Miss& miss) {
    if (miss.engine == "slow" && miss.kind == Miss::Kind::late && miss.latency > miss.deadline) ++heard;
  };
  auto pipeline =
      open_with({{"slow", std::make_shared<ModuleStandIn>([] { std::this_thread::sleep_for(milliseconds(5)); })}},
                module("slow", "rate_hz = 100\ndeadline_ms = 1\n"), options);
  (void)pipeline["slow"].submit(ones(), {.drop_if_late = false}).outputs();
  while (heard == 0) std::this_thread::yield();
  EXPECT_EQ(of(pipeline.stats(), "slow").figures.misses, 1U);
}

TEST_F(PipelineTest, RequestsMayComeFromManyThreads) {
  auto pipeline = open(engine("a", "affine", "request_queue = 1000\n"));
  const auto inputs = models::inputs_of("affine");
  const auto expected = models::outputs_of("affine");
  std::atomic<int> wrong{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&] {
        auto one = pipeline["a"];
        for (int turn = 0; turn < 50; ++turn) {
          if (!difference(one.submit(inputs).outputs(), expected).empty()) ++wrong;
          if (!difference(one.call(inputs), expected).empty()) ++wrong;
        }
      });
    }
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(of(pipeline.stats(), "a").figures.runs, 800U);
}

TEST_F(PipelineTest, CheckedOutputsMustBeFinite) {
  auto pipeline = open(engine("a", "affine", "check_outputs = true\n") + engine("b", "affine"));
  auto inputs = models::inputs_of("affine");
  EXPECT_NO_THROW((void)pipeline["a"].call(inputs));
  inputs[0].fill_(std::numeric_limits<float>::quiet_NaN());
  EXPECT_THAT([&] { (void)pipeline["a"].call(inputs); },
              refuses<EngineError>("output 0 of engine 'a'", "NaN", "check_outputs"));
  EXPECT_THAT([&] { (void)pipeline["a"].submit(inputs).outputs(); }, refuses<EngineError>("output 0", "NaN"));
  EXPECT_NO_THROW((void)pipeline["b"].call(inputs));
}

TEST_F(PipelineTest, ACallThatDoesNotFitStopsNoEngine) {
  auto pipeline = open(engine("a", "affine", "on_error = 'stop'\n"));
  EXPECT_THROW((void)pipeline["a"].call({at::ones({3})}), EngineError);
  EXPECT_NO_THROW((void)pipeline["a"].call(models::inputs_of("affine")));
  EXPECT_EQ(of(pipeline.stats(), "a").figures.failed, 0U);
}

TEST_F(PipelineTest, ADeadlineMustBePositive) {
  auto pipeline = open(engine("a", "affine"));
  EXPECT_THAT(
      [&] { (void)pipeline["a"].submit(models::inputs_of("affine"), {.deadline = std::chrono::nanoseconds(-1)}); },
      refuses<ConfigError>("engine 'a'", "-1 ns"));
}

TEST_F(PipelineTest, AForkedChildIsToldThatItHasNoEngines) {
  auto pipeline = open(engine("a", "affine"));
  const auto said = in_child([&] {
    (void)pipeline["a"].submit(models::inputs_of("affine"));
    return std::string("nothing");
  });
  EXPECT_THAT(said, HasSubstr("threw: engine 'a'"));
  EXPECT_THAT(said, HasSubstr("fork"));
  EXPECT_EQ(in_child([&] {
              pipeline.close();
              return std::string("closed");
            }),
            "closed")
      << "close() waited for threads of the parent";
  EXPECT_NO_THROW((void)pipeline["a"].call(models::inputs_of("affine")));
}

TEST_F(PipelineTest, TwoPipelinesShareTheDevice) {
  auto first = open(engine("a", "affine", "[lane.a]\nunits = 1\n"));
  EXPECT_THAT([&] { (void)open(engine("b", "affine", "[lane.b]\nunits = 10000\n")); },
              refuses<ConfigError>("do not fit", "10000"));
  if (Device::open("cpu").info().units.count < 2) GTEST_SKIP() << "one core";
  auto second = open(engine("b", "affine", "[lane.b]\nunits = 1\n"));
  EXPECT_NO_THROW((void)first["a"].call(models::inputs_of("affine")));
  EXPECT_NO_THROW((void)second["b"].call(models::inputs_of("affine")));
}

TEST_F(PipelineTest, AModuleNeedsAProgramThatPassesIt) {
  EXPECT_THAT([&] { (void)open(module("m")); }, refuses<ConfigError>("engine.m", "module 'm'", "modules="));
}

}  // namespace
}  // namespace greenlane::runtime
