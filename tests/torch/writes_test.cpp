#include "torch/writes.hpp"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <thread>

namespace greenlane::detail {
namespace {

TEST(KeptTensors, PutBackRestoresTheMemory) {
  auto whole = at::arange(8, at::kFloat);
  const auto part = whole.slice(0, 2, 5);
  const auto before = whole.clone();
  const KeptTensors kept(std::vector{part, whole});
  whole.add_(1);
  kept.put_back();
  EXPECT_TRUE(at::equal(whole, before)) << "memory outside the given part was not restored";
  whole.zero_();
  kept.put_back();
  EXPECT_TRUE(at::equal(whole, before)) << "a second put_back() did not restore the memory";
}

TEST(KeptTensors, EveryDtypeAndModeIsRestored) {
  for (const auto dtype : {at::kBool, at::kHalf, at::kComplexFloat, at::kLong}) {
    auto tensor = at::zeros({4}, dtype);
    const KeptTensors kept(std::vector{tensor});
    tensor.fill_(1);
    kept.put_back();
    EXPECT_FALSE(tensor.any().item<bool>());
  }
  at::Tensor made_in_inference_mode;
  {
    const c10::InferenceMode mode;
    made_in_inference_mode = at::zeros({4});
  }
  const KeptTensors kept(std::vector{made_in_inference_mode});
  {
    const c10::InferenceMode mode;
    made_in_inference_mode.fill_(2);
  }
  kept.put_back();
  EXPECT_EQ(made_in_inference_mode.sum().item<float>(), 0);
  auto wants_gradients = at::zeros({4}).requires_grad_();
  const KeptTensors parameter(std::vector{wants_gradients});
  EXPECT_NO_THROW(parameter.put_back());
}

TEST(KeptTensors, TensorsWithoutMemoryAreNotKept) {
  const KeptTensors kept(std::vector{at::Tensor(), at::empty({0}), at::empty({4}, at::kMeta)});
  EXPECT_TRUE(kept.empty());
}

TEST(ShareMemory, OverlappingTensorsShareMemory) {
  const auto whole = at::arange(8, at::kFloat);
  EXPECT_TRUE(share_memory(whole, whole.slice(0, 6, 8)));
  const auto behind = at::from_blob(static_cast<char*>(whole.data_ptr()) + 16, {2}, at::kFloat);
  EXPECT_TRUE(share_memory(whole, behind)) << "two storages over the same bytes were not seen to overlap";
  EXPECT_FALSE(share_memory(whole, whole.clone()));
  EXPECT_FALSE(share_memory(at::empty({0}), at::empty({0})));
}

TEST(WriteScope, AScopeCollectsItsWrites) {
  EXPECT_FALSE(WriteScope::is_active());
  auto tensor = at::zeros({4});
  WriteScope outer(WriteScope::Copies::kept);
  {
    const WriteScope inner(WriteScope::Copies::none);
    EXPECT_TRUE(WriteScope::is_active());
    WriteScope::note(tensor);
    WriteScope::note(tensor.slice(0, 0, 2));
    EXPECT_EQ(inner.tensors().size(), 1U);
  }
  tensor.add_(1);
  std::thread([&] { WriteScope::note(at::zeros({2})); }).join();
  EXPECT_EQ(outer.tensors().size(), 1U) << "the scope has writes of another thread, or one tensor twice";
  outer.put_back();
  EXPECT_EQ(tensor.sum().item<float>(), 0);
}

}  // namespace
}  // namespace greenlane::detail
