#include "torch/whole_torch.hpp"

#include "support/fake_driver.hpp"

#include <greenlane/detail/core/driver_library.hpp>

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

namespace greenlane::detail {
namespace {

bool is_mapped(const std::string& library) {
  std::ifstream file("/proc/self/maps");
  const std::string maps(std::istreambuf_iterator<char>(file), {});
  return maps.find("/" + library + "\n") != std::string::npos;
}

bool is_found(const char* name) { return ::dlopen(name, RTLD_LAZY | RTLD_NOLOAD) != nullptr; }

TEST(WholeTorchTest, WithoutADriverPackagesGetTheCpuHalf) {
  const driver::ScopedTable no_driver(nullptr);
  load_torch_for_cpu();
  EXPECT_TRUE(is_found("libtorch.so")) << "packages ask for it by this name";
  EXPECT_TRUE(is_mapped("greenlane_cpu_torch.so"));
  EXPECT_FALSE(is_mapped("libtorch_cuda.so"));
}

TEST(WholeTorchTest, TheCudaHalfCanFollow) {
  {
    const driver::ScopedTable no_driver(nullptr);
    load_torch_for_cpu();
  }
  load_whole_torch();
  EXPECT_TRUE(is_mapped("libtorch_cuda.so"));
  load_whole_torch();
}

TEST(WholeTorchTest, WithADriverPackagesForACpuGetTheWhole) {
  const fake::FakeDriver fake;
  const driver::ScopedTable scope(&fake.table());
  ASSERT_TRUE(driver_is_installed());
  load_torch_for_cpu();
  EXPECT_TRUE(is_mapped("libtorch_cuda.so"));
  EXPECT_FALSE(is_mapped("greenlane_cpu_torch.so"));
}

TEST(WholeTorchTest, WhatIsLoadedIsKept) {
  load_whole_torch();
  const driver::ScopedTable no_driver(nullptr);
  load_torch_for_cpu();
  EXPECT_FALSE(is_mapped("greenlane_cpu_torch.so"));
}

}  // namespace
}  // namespace greenlane::detail
