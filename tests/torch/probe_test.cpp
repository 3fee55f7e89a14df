#include "torch/probe.hpp"

#include <ATen/Functions.h>
#include <ATen/cuda/CUDAGeneratorImpl.h>
#include <gtest/gtest.h>
#include <torch/version.h>

#include <map>
#include <mutex>
#include <set>
#include <stdexcept>

namespace greenlane::detail {
namespace {

// A generator's state as in PyTorch 2.11.
struct StateOfOneCapture {
  std::uint64_t offset_intragraph_ = 0;
  bool capturing_ = false;
  std::set<int> registered_graphs_;
  at::TensorBase seed_extragraph_;
  at::TensorBase offset_extragraph_;
};

// A generator's state as in PyTorch 2.13 and 2.14.
struct Words : c10::intrusive_ptr_target {
  std::uint64_t offset_intragraph_ = 0;
  at::TensorBase rng_state_seed_extragraph_;
  at::TensorBase rng_state_offset_extragraph_;
};
struct StateOfCaptures {
  std::mutex capture_states_mutex_;
  std::map<std::uint64_t, c10::intrusive_ptr<Words>> capture_states_;
};

struct UnknownState {};

class RandomCaptureTest : public testing::Test {
 protected:
  at::Tensor seed_ = at::zeros({1}, at::kLong);
  at::Tensor offset_ = at::zeros({1}, at::kLong);
};

TEST_F(RandomCaptureTest, TheWayIsFoundFromTheState) {
  EXPECT_EQ(random_capture<StateOfOneCapture>(), RandomCapture::one_at_once);
  EXPECT_EQ(random_capture<StateOfCaptures>(), RandomCapture::any_number);
  EXPECT_EQ(random_capture<UnknownState>(), RandomCapture::none);
  EXPECT_EQ(random_capture<at::CUDAGeneratorState>(),
            TORCH_VERSION_MINOR >= 13 ? RandomCapture::any_number : RandomCapture::one_at_once);
}

TEST_F(RandomCaptureTest, OneCaptureLendsItsWordsToTheState) {
  StateOfOneCapture state;
  const auto others_seed = at::zeros({1}, at::kLong);
  state.seed_extragraph_ = others_seed;
  state.offset_intragraph_ = 4;
  RandomCaptureScope<StateOfOneCapture> scope(state, 1, seed_, offset_);
  EXPECT_TRUE(state.capturing_);
  EXPECT_EQ(state.offset_intragraph_, 0U) << "the offset of an earlier capture was kept";
  EXPECT_TRUE(state.seed_extragraph_.is_same(seed_));
  EXPECT_TRUE(state.offset_extragraph_.is_same(offset_));
  state.offset_intragraph_ += 8;
  EXPECT_EQ(scope.end(), 8U);
  EXPECT_FALSE(state.capturing_);
  EXPECT_TRUE(state.seed_extragraph_.is_same(others_seed)) << "graphs of others lost their words";
  EXPECT_FALSE(state.offset_extragraph_.defined());
}

TEST_F(RandomCaptureTest, ACaptureOfAnotherIsLeftAlone) {
  StateOfOneCapture state;
  state.capturing_ = true;
  state.offset_intragraph_ = 8;
  EXPECT_THROW(RandomCaptureScope<StateOfOneCapture>(state, 1, seed_, offset_), std::runtime_error);
  EXPECT_TRUE(state.capturing_);
  EXPECT_EQ(state.offset_intragraph_, 8U);
}

TEST_F(RandomCaptureTest, CapturesHaveTheirOwnWords) {
  StateOfCaptures state;
  RandomCaptureScope<StateOfCaptures> one(state, 1, seed_, offset_);
  RandomCaptureScope<StateOfCaptures> other(state, 2, offset_, seed_);
  ASSERT_EQ(state.capture_states_.size(), 2U);
  EXPECT_TRUE(state.capture_states_[1]->rng_state_seed_extragraph_.is_same(seed_));
  EXPECT_TRUE(state.capture_states_[2]->rng_state_seed_extragraph_.is_same(offset_));
  state.capture_states_[1]->offset_intragraph_ += 4;
  state.capture_states_[2]->offset_intragraph_ += 12;
  EXPECT_EQ(one.end(), 4U);
  EXPECT_EQ(other.end(), 12U);
  EXPECT_TRUE(state.capture_states_.empty()) << "a capture that is over keeps its words";
}

}  // namespace
}  // namespace greenlane::detail
