#include "support/matchers.hpp"
#include "support/torch_models.hpp"

#include <greenlane/core/error.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace greenlane {
namespace {

using models::inputs_of;
using models::load;
using models::outputs_of;
using models::run_differs;

class AotiEngineTest : public ::testing::Test {
 protected:
  static std::vector<at::Tensor> bad_inputs() { return {at::tensor({0, 10, 5}, at::kLong)}; }

  // Runs the engine again and again in several threads at once. Returns what was wrong, or an empty text.
  static std::string run_in_threads(AotiEngine& engine, const std::string& model, int threads) {
    std::atomic<int> wrong{0};
    {
      std::vector<std::jthread> all;
      for (int t = 0; t < threads; ++t) {
        all.emplace_back([&] {
          const auto inputs = inputs_of(model);
          const auto expected = outputs_of(model);
          for (int i = 0; i < 50; ++i) {
            if (!difference(engine.run(inputs), expected).empty()) ++wrong;
          }
        });
      }
    }
    return wrong == 0 ? "" : std::to_string(wrong) + " wrong results";
  }

  Device cpu_ = Device::open("cpu");
};

TEST_F(AotiEngineTest, AnUnboundEngineComputesTheSameAsPyTorch) {
  for (const std::string model : {"affine", "pair", "threads", "throws"})
    EXPECT_EQ(run_differs(*load(model), model), "") << model;
}

TEST_F(AotiEngineTest, AnEngineOnALaneComputesTheSame) {
  const auto lane = Lane::create(cpu_.partition("one", 1));
  for (const std::string model : {"affine", "pair", "threads", "throws"}) {
    EXPECT_EQ(run_differs(*load(model, {.lane = lane}), model), "") << model;
  }
}

TEST_F(AotiEngineTest, ARebindDoesNotChangeTheOutputs) {
  const auto engine = load("pair");
  const auto narrow = Lane::create(cpu_.partition("narrow", 1));
  const auto wide = Lane::create(cpu_, {.name = "wide"});
  for (const auto& lane : {narrow, wide, narrow}) {
    engine->bind(lane);
    EXPECT_EQ(engine->lane(), lane);
    EXPECT_EQ(run_differs(*engine, "pair"), "");
  }
  engine->unbind();
  EXPECT_EQ(engine->lane(), std::nullopt);
  EXPECT_EQ(run_differs(*engine, "pair"), "");
}

TEST_F(AotiEngineTest, ADynamicDimensionTakesEverySizeInItsRange) {
  const auto engine = load("pair", {.lane = Lane::create(cpu_)});
  for (const std::int64_t batch : {2, 7, 32}) {
    const auto x = at::randn({batch, 8});
    const auto index = at::arange(batch);
    const auto scaled = x * index.to(at::kFloat).unsqueeze(1);
    EXPECT_EQ(difference(engine->run({x, index}), {scaled, x.sum(1), index + 1}), "") << batch;
  }
  EXPECT_THAT([&] { (void)engine->run({at::randn({33, 8}), at::arange(33)}); },
              refuses<EngineError>("input 0", "[33, 8]", "[2..32, 8]"));
}

TEST_F(AotiEngineTest, InvalidInputsAreRefused) {
  const auto engine = load("affine", {.name = "policy"});
  EXPECT_THAT([&] { (void)engine->run({}); }, refuses<EngineError>("'policy'", "1 inputs", "0 were given"));
  EXPECT_THAT([&] { (void)engine->run({at::ones({4, 8}, at::kHalf)}); },
              refuses<EngineError>("'policy'", "float16", "float32 [4, 8]"));
  EXPECT_EQ(run_differs(*engine, "affine"), "");
}

TEST_F(AotiEngineTest, InputsMayBeOverwrittenAfterTheCall) {
  const auto engine = load("affine", {.lane = Lane::create(cpu_.partition("one", 1))});
  auto inputs = inputs_of("affine");
  const auto outputs = engine->run(inputs);
  inputs[0].fill_(1e6);
  EXPECT_EQ(difference(outputs, outputs_of("affine")), "");
}

TEST_F(AotiEngineTest, OutputsOfAnEarlierCallAreKept) {
  const auto engine = load("affine", {.lane = Lane::create(cpu_)});
  const auto first = engine->run(inputs_of("affine"));
  (void)engine->run({at::zeros({4, 8})});
  EXPECT_EQ(difference(first, outputs_of("affine")), "");
}

TEST_F(AotiEngineTest, OutputsOutliveTheEngine) {
  const auto outputs = load("affine", {.lane = Lane::create(cpu_)})->run(inputs_of("affine"));
  EXPECT_EQ(difference(outputs, outputs_of("affine")), "");
}

TEST_F(AotiEngineTest, ACallFromTheEnginesLaneDoesNotDeadlock) {
  const auto lane = Lane::create(cpu_.partition("one", 1));
  const auto engine = load("affine", {.lane = lane});
  lane.run([&] { EXPECT_EQ(run_differs(*engine, "affine"), ""); });
}

TEST_F(AotiEngineTest, AnEngineHoldsItsLane) {
  const auto engine = load("affine", {.lane = Lane::create(cpu_.partition("rest", rest))});
  EXPECT_THAT([&] { (void)cpu_.partition("more", 1); }, refuses<PartitionError>("'rest' holds"));
  EXPECT_EQ(run_differs(*engine, "affine"), "");
  engine->unbind();
  EXPECT_EQ(cpu_.partition("more", rest).units(), cpu_.info().units);
}

TEST_F(AotiEngineTest, AnEngineThatThrowsReportsTheCause) {
  const auto engine = load("throws", {.lane = Lane::create(cpu_.partition("one", 1))});
  ::testing::internal::CaptureStderr();
  EXPECT_THAT([&] { (void)engine->run(bad_inputs()); },
              ::testing::ThrowsMessage<EngineError>(::testing::AllOf(
                  ::testing::HasSubstr("engine 'throws' failed on lane 'one' (1 core): "),
                  ::testing::HasSubstr("index out of bounds"), ::testing::Not(::testing::HasSubstr("API call failed")),
                  ::testing::Not(::testing::HasSubstr("\n")))));
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "")
      << "PyTorch's stack was printed instead of logged for debugging";
}

TEST_F(AotiEngineTest, EnginesWorkAfterAnException) {
  const auto lane = Lane::create(cpu_.partition("one", 1));
  const auto other = load("affine", {.lane = lane});
  for (const auto& binding : {std::optional<Lane>(), std::optional(lane)}) {
    const auto engine = load("throws", {.lane = binding});
    for (int i = 0; i < 5; ++i) {  // more runs than there are runners
      EXPECT_THROW((void)engine->run(bad_inputs()), std::exception);
      EXPECT_EQ(engine->lane(), binding);
      EXPECT_EQ(run_differs(*engine, "throws"), "");
      EXPECT_EQ(run_differs(*other, "affine"), "");
    }
  }
  lane.synchronize();
}

TEST_F(AotiEngineTest, ManyThreadsMayCallOneEngine) {
  for (const std::size_t runners : {std::size_t{1}, std::size_t{2}}) {
    const auto engine = load("pair", {.num_runners = runners});
    EXPECT_EQ(run_in_threads(*engine, "pair", 4), "") << runners << " runners of an unbound engine";
    engine->bind(Lane::create(cpu_.partition("one", 1)));
    EXPECT_EQ(run_in_threads(*engine, "pair", 4), "") << runners << " runners, on a lane";
  }
}

TEST_F(AotiEngineTest, AnEngineMayBeReboundDuringCalls) {
  const auto engine = load("pair");
  const auto one = Lane::create(cpu_.partition("one", 1));
  const auto all = Lane::create(cpu_);
  std::atomic<bool> done{false};
  std::jthread binder([&] {
    while (!done) {
      engine->bind(one);
      engine->bind(all);
      engine->unbind();
    }
  });
  EXPECT_EQ(run_in_threads(*engine, "pair", 2), "");
  done = true;
}

}  // namespace
}  // namespace greenlane
