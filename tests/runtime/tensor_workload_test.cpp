#include "runtime/tensor_workload.hpp"

#include "support/matchers.hpp"

#include <greenlane/core/error.hpp>

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <limits>

namespace greenlane::runtime {
namespace {

TEST(TensorWork, InputsAreCopiedWithTheirStrides) {
  const auto given = at::rand({4, 3}).t();
  const TensorWork work({given});
  ASSERT_EQ(work.inputs.size(), 1U);
  EXPECT_TRUE(work.inputs[0].equal(given));
  EXPECT_EQ(work.inputs[0].strides(), given.strides());
  EXPECT_NE(work.inputs[0].data_ptr(), given.data_ptr());
  work.wait_for_inputs(at::Device(at::kCPU));
}

TEST(TensorWork, InputsCarryNoGradients) {
  const auto given = at::rand({2}).set_requires_grad(true);
  EXPECT_FALSE(TensorWork({given}).inputs[0].requires_grad());
}

TEST(RequireFinite, OnlyNumbersThatAreNotFiniteAreRefused) {
  EXPECT_NO_THROW(require_finite({at::ones({3}), at::arange(4), at::Tensor(), at::ones({2}, at::kBFloat16)}));
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    auto output = at::ones({3});
    output[1] = bad;
    EXPECT_THAT([&] { require_finite({at::ones({3}), output}); }, refuses<EngineError>("output 1", "NaN or infinity"));
  }
}

}  // namespace
}  // namespace greenlane::runtime
