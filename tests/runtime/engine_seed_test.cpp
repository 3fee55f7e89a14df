#include "runtime/engine_seed.hpp"

#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

namespace greenlane::runtime {
namespace {

EngineConfig named(const std::string& name) {
  EngineConfig engine;
  engine.name = name;
  return engine;
}

void seed_pytorch(std::uint64_t seed) {
  auto generator = at::detail::getDefaultCPUGenerator();
  generator.set_current_seed(seed);
}

TEST(EngineSeed, TheFileDecides) {
  auto engine = named("policy");
  engine.seed = 5;
  seed_pytorch(1);
  EXPECT_EQ(seed_of(engine), 5U);
}

TEST(EngineSeed, PyTorchsSeedRepeatsEveryEngineAndEnginesDiffer) {
  seed_pytorch(1);
  const auto policy = seed_of(named("policy"));
  EXPECT_NE(policy, seed_of(named("vision")));
  seed_pytorch(2);
  EXPECT_NE(seed_of(named("policy")), policy);
  seed_pytorch(1);
  EXPECT_EQ(seed_of(named("policy")), policy);
}

TEST(EngineSeed, NoNumberIsDrawn) {
  auto generator = at::detail::getDefaultCPUGenerator();
  generator.set_current_seed(3);
  const auto first = at::check_generator<at::CPUGeneratorImpl>(generator)->random();
  generator.set_current_seed(3);
  (void)seed_of(named("policy"));
  EXPECT_EQ(at::check_generator<at::CPUGeneratorImpl>(generator)->random(), first);
}

}  // namespace
}  // namespace greenlane::runtime
