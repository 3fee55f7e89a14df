#include "torch/module_engine.hpp"

#include "support/matchers.hpp"

#include <greenlane/core/error.hpp>

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace greenlane::detail {
namespace {

using Tensors = std::vector<at::Tensor>;

class ModuleEngineTest : public testing::Test {
 protected:
  // A module on the CPU that counts its calls.
  ModuleEngine engine(const ModuleEngine::Model& model, const Tensors& recorded, ModuleOptions options = {}) {
    options.name = "policy";
    options.module = "net";
    return ModuleEngine(
        device_, std::move(options),
        [this, model](const Tensors& inputs) {
          ++calls_;
          return model(inputs);
        },
        recorded);
  }
  static Tensors doubled(const Tensors& inputs) { return {inputs.at(0) * 2}; }

  Device device_ = Device::open("cpu");
  int calls_ = 0;
};

TEST_F(ModuleEngineTest, EachCallOnACpuCallsTheModuleOnTheLane) {
  auto policy = engine(doubled, {at::ones({2})});
  EXPECT_EQ(calls_, 1);
  EXPECT_TRUE(policy.is_in_python());
  EXPECT_FALSE(policy.graphs());
  policy.bind(Lane::create(device_));
  EXPECT_TRUE(policy.run({at::full({2}, 3.0)}).at(0).equal(at::full({2}, 6.0)));
  policy.recapture({at::ones({2})});
  EXPECT_EQ(calls_, 2);
  policy.unbind();
  EXPECT_TRUE(policy.run({at::full({2}, 4.0)}).at(0).equal(at::full({2}, 8.0)));
}

TEST_F(ModuleEngineTest, WritesAreLearnedAndPutBack) {
  const auto buffer = at::zeros({1});
  const auto first = at::ones({2});
  const auto second = at::ones({2});
  const auto policy = engine(
      [&](const Tensors& inputs) -> Tensors {
        note_write(buffer);
        buffer.add_(1);
        note_write(inputs.at(1));
        inputs.at(1).add_(1);
        return {};
      },
      {first, second});
  EXPECT_EQ(buffer.item<float>(), 0);
  EXPECT_TRUE(second.equal(at::ones({2})));
  ASSERT_EQ(policy.state().size(), 1U);
  EXPECT_TRUE(policy.state().front().is_same(buffer));
  EXPECT_FALSE(policy.writes_input(0));
  EXPECT_TRUE(policy.writes_input(1));
}

TEST_F(ModuleEngineTest, AStatefulModuleIsNotCalledToLearn) {
  const auto policy = engine(doubled, {at::ones({2})}, {.stateful = true});
  EXPECT_EQ(calls_, 0);
  EXPECT_TRUE(policy.is_stateful());
  EXPECT_TRUE(policy.writes_input(0));
}

TEST_F(ModuleEngineTest, InputsUnlikeTheRecordedOnesAreRefused) {
  auto policy = engine(doubled, {at::ones({2, 3})});
  EXPECT_NO_THROW(policy.check({at::ones({3, 2}).t()}));
  EXPECT_THAT([&] { policy.check({}); }, refuses<EngineError>("engine 'policy' takes 1 tensors", "0 were given"));
  EXPECT_THAT([&] { policy.check({at::ones({2, 2})}); },
              refuses<EngineError>("input 0 does not fit engine 'policy'", "float32 [2, 2]",
                                   "the recorded input is float32 [2, 3]", "python = true"));
  EXPECT_THAT([&] { (void)policy.run({at::ones({2, 3}, at::kInt)}); }, refuses<EngineError>("int32 [2, 3]"));
  EXPECT_THAT([&] { policy.check({at::ones({2, 3}, at::kMeta)}); }, refuses<EngineError>("it is on meta"));
}

TEST_F(ModuleEngineTest, InPythonItTakesAllShapes) {
  auto policy = engine(doubled, {at::ones({2})}, {.in_python = true});
  EXPECT_TRUE(policy.run({at::ones({5}, at::kInt)}).at(0).equal(at::full({5}, 2, at::kInt)));
}

TEST_F(ModuleEngineTest, AModuleThatMustNotBeCapturedIsToldApart) {
  const auto refuses_capture = [](const Tensors& /*inputs*/) -> Tensors { throw NotCapturable("it counts"); };
  EXPECT_THAT(
      [&] { (void)engine(refuses_capture, {}); },
      refuses<EngineError>("module 'net' cannot be captured: it counts; set `python = true` for engine 'policy'"));
}

TEST_F(ModuleEngineTest, AnErrorNamesTheEngine) {
  const auto fails = [](const Tensors& inputs) -> Tensors {
    if (inputs.at(0).item<float>() < 0) throw std::runtime_error("it is negative\nat line 3");
    return inputs;
  };
  EXPECT_THAT([&] { (void)engine(fails, {at::full({1}, -1.0)}); },
              refuses<EngineError>("the module of engine 'policy' failed: it is negative; call the module"));
  auto policy = engine(fails, {at::ones({1})});
  EXPECT_THAT([&] { (void)policy.run({at::full({1}, -1.0)}); }, refuses<EngineError>("it is negative;"));
  EXPECT_TRUE(policy.run({at::ones({1})}).at(0).equal(at::ones({1})));
}

}  // namespace
}  // namespace greenlane::detail
