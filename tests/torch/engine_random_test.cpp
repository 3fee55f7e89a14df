#include "torch/engine_random.hpp"

#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

namespace greenlane::detail {
namespace {

void seed_pytorch(std::uint64_t seed) {
  auto generator = at::detail::getDefaultCPUGenerator();
  generator.set_current_seed(seed);
}

TEST(EngineRandomTest, PyTorchsSeedRepeatsEveryEngineAndEnginesDiffer) {
  seed_pytorch(1);
  const auto policy = seed_for("policy");
  EXPECT_NE(policy, seed_for("vision"));
  seed_pytorch(2);
  EXPECT_NE(seed_for("policy"), policy);
  seed_pytorch(1);
  EXPECT_EQ(seed_for("policy"), policy);
}

TEST(EngineRandomTest, ASeedDrawsNoNumber) {
  auto generator = at::detail::getDefaultCPUGenerator();
  const auto draw = [&] { return at::check_generator<at::CPUGeneratorImpl>(generator)->random(); };
  seed_pytorch(3);
  const auto first = draw();
  seed_pytorch(3);
  (void)seed_for("policy");
  EXPECT_EQ(draw(), first);
}

TEST(EngineRandomTest, OnACpuThereIsNoGeneratorOfItsOwn) {
  EngineRandom random(Device::open("cpu"), 5);
  EXPECT_FALSE(random.generator().defined());
  random.reset();
}

}  // namespace
}  // namespace greenlane::detail
