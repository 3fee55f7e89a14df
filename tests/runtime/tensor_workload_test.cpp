#include "runtime/tensor_workload.hpp"

#include "support/matchers.hpp"

#include <greenlane/core/error.hpp>

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <gmock/gmock.h>

#include <limits>

namespace greenlane::runtime {
namespace {

class TensorWorkTest : public ::testing::Test {
 protected:
  [[nodiscard]] std::unique_ptr<TensorWork> work(const std::vector<at::Tensor>& inputs) const {
    return std::make_unique<TensorWork>(slots_, slots_->copy(inputs));
  }
  std::shared_ptr<InputSlots> slots_ = std::make_shared<InputSlots>();
};

TEST_F(TensorWorkTest, InputsAreCopiedWithTheirStrides) {
  const auto given = at::rand({4, 3}).t();
  const auto one = work({given});
  ASSERT_EQ(one->inputs().size(), 1U);
  EXPECT_TRUE(one->inputs()[0].equal(given));
  EXPECT_EQ(one->inputs()[0].strides(), given.strides());
  EXPECT_NE(one->inputs()[0].data_ptr(), given.data_ptr());
  one->bring_inputs(at::Device(at::kCPU));
}

TEST_F(TensorWorkTest, InputsCarryNoGradients) {
  const auto given = at::rand({2}).set_requires_grad(true);
  for (int i = 0; i < 2; ++i) {
    const auto one = work({given});  // the second time into memory of the first
    EXPECT_FALSE(one->inputs()[0].requires_grad());
    EXPECT_TRUE(one->inputs()[0].equal(given));
  }
}

TEST_F(TensorWorkTest, MemoryIsUsedAgainForInputsThatFit) {
  auto first = work({at::ones({3})});
  const void* memory = first->inputs()[0].data_ptr();
  const auto second = work({at::ones({3})});
  EXPECT_NE(second->inputs()[0].data_ptr(), memory) << "two works share memory";
  first->give_back();
  const auto third = work({at::zeros({4})});
  EXPECT_NE(third->inputs()[0].data_ptr(), memory);
  EXPECT_EQ(third->inputs()[0].numel(), 4);
  const auto fourth = work({at::zeros({3})});
  EXPECT_EQ(fourth->inputs()[0].data_ptr(), memory);
  EXPECT_TRUE(fourth->inputs()[0].equal(at::zeros({3})));
}

TEST_F(TensorWorkTest, MemoryIsUsedAgainAfterRequestsOfManySizes) {
  for (int size = 1; size <= 20; ++size) (void)work({at::ones({size})});
  auto first = work({at::ones({100})});
  const void* memory = first->inputs()[0].data_ptr();
  first.reset();
  EXPECT_EQ(work({at::zeros({100})})->inputs()[0].data_ptr(), memory);
}

TEST_F(TensorWorkTest, MemoryOfInputsWithGapsIsUsedAgainInTheirOrder) {
  const auto gaps = at::arange(24).view({4, 6}).slice(1, 0, 6, 2);
  const void* memory = work({gaps})->inputs()[0].data_ptr();
  const auto same = work({gaps});
  EXPECT_EQ(same->inputs()[0].data_ptr(), memory);
  EXPECT_TRUE(same->inputs()[0].equal(gaps));
  EXPECT_EQ(same->inputs()[0].strides(), at::IntArrayRef({3, 1}));
  (void)work({at::ones({3, 4}, at::kLong).t()});
  EXPECT_EQ(work({gaps})->inputs()[0].strides(), at::IntArrayRef({3, 1})) << "it got memory of another order";
}

TEST_F(TensorWorkTest, InputsOfARequestInInferenceModeAreTensorsForAllThreads) {
  const c10::InferenceMode inference_mode;
  const auto given = at::ones({3});
  EXPECT_FALSE(work({given})->inputs()[0].is_inference());
}

TEST_F(TensorWorkTest, AnOutputThatIsAnInputKeepsItsMemory) {
  auto first = work({at::ones({3})});
  first->outputs = {first->inputs()[0].view({3, 1})};
  first->give_back();
  const auto second = work({at::zeros({3})});
  EXPECT_TRUE(first->outputs[0].equal(at::ones({3, 1}))) << "a later request wrote over an output";
}

TEST(LaidOutLike, InputsGetTheOrderOfTheRecordedOnes) {
  const auto recorded = at::rand({4, 3, 8, 8}).contiguous(at::MemoryFormat::ChannelsLast);
  for (const int rows : {1, 2, 4, 6}) {
    const auto given = at::rand({rows, 3, 8, 8});
    const auto laid_out = laid_out_like({recorded}, {given})[0];
    EXPECT_TRUE(laid_out.equal(given));
    EXPECT_TRUE(laid_out.is_contiguous(at::MemoryFormat::ChannelsLast)) << rows;
    EXPECT_EQ(laid_out_like({recorded}, {laid_out})[0].data_ptr(), laid_out.data_ptr()) << "it was copied for nothing";
  }
}

TEST(LaidOutLike, RecordedInputsMayHaveGapsOrNoMemoryOfTheirOwn) {
  const auto given = at::arange(12, at::kFloat).view({4, 3});
  const auto gaps = at::rand({4, 6}).slice(1, 0, 6, 2);
  EXPECT_EQ(laid_out_like({gaps}, {given})[0].strides(), gaps.strides());
  EXPECT_TRUE(laid_out_like({gaps}, {given})[0].equal(given));
  const auto expanded = laid_out_like({at::rand({3}).expand({4, 3})}, {given.t().contiguous().t()})[0];
  EXPECT_TRUE(expanded.equal(given));
}

TEST(LaidOutLike, TensorsThatTheEngineRefusesStay) {
  const auto recorded = at::rand({4, 3});
  for (const auto& given : {at::rand({3}), at::rand({4, 3}).to_sparse(), at::Tensor()}) {
    EXPECT_TRUE(laid_out_like({recorded}, {given})[0].is_same(given));
  }
  EXPECT_TRUE(laid_out_like({recorded}, {}).empty());
  EXPECT_EQ(laid_out_like({}, {recorded}).size(), 1U);
}

TEST(RequireFinite, OnlyNumbersThatAreNotFiniteAreRefused) {
  EXPECT_NO_THROW(require_finite({at::ones({3}), at::arange(4), at::Tensor(), at::ones({2}, at::kBFloat16)}, "a"));
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    auto output = at::ones({3});
    output[1] = bad;
    EXPECT_THAT([&] { require_finite({at::ones({3}), output}, "a"); },
                refuses<EngineError>("output 1 of engine 'a'", "NaN or infinity"));
  }
}

}  // namespace
}  // namespace greenlane::runtime
