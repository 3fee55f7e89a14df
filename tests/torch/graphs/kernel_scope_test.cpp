#include "torch/graphs/kernel_scope.hpp"

#include <ATen/Context.h>
#include <gtest/gtest.h>

#include <stdexcept>

namespace greenlane::detail {
namespace {

std::optional<std::int32_t> carveout() { return at::globalContext()._SMCarveout_EXPERIMENTAL(); }

class KernelScopeTest : public ::testing::Test {
 protected:
  KernelScopeTest() { at::globalContext()._setSMCarveout_EXPERIMENTAL(std::nullopt); }
  ~KernelScopeTest() override { at::globalContext()._setSMCarveout_EXPERIMENTAL(std::nullopt); }
};

TEST_F(KernelScopeTest, ThisPyTorchSupportsKernelTargets) { EXPECT_TRUE(can_target_kernels()); }

TEST_F(KernelScopeTest, TheScopeSetsTheCarveout) {
  const KernelScope scope(132, 48);
  EXPECT_EQ(carveout(), 84);
}

TEST_F(KernelScopeTest, AScopeWithoutATargetChangesNothing) {
  at::globalContext()._setSMCarveout_EXPERIMENTAL(7);
  const KernelScope scope(132, std::nullopt);
  EXPECT_EQ(carveout(), 7) << "the scope changed the program's own carveout";
}

TEST_F(KernelScopeTest, TheFormerCarveoutIsRestored) {
  for (const std::optional<std::int32_t> former : {std::optional<std::int32_t>(), std::optional<std::int32_t>(7)}) {
    at::globalContext()._setSMCarveout_EXPERIMENTAL(former);
    try {
      const KernelScope scope(132, 48);
      throw std::runtime_error("the engine's own");
    } catch (const std::runtime_error&) {
      EXPECT_EQ(carveout(), former);
    }
  }
}

TEST_F(KernelScopeTest, TheScopePrintsNothing) {
  ::testing::internal::CaptureStderr();
  {
    const KernelScope scope(132, 48);
  }
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace greenlane::detail
