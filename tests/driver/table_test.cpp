#include "driver/table.hpp"

#include "support/fake_driver.hpp"
#include "support/forked.hpp"

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace greenlane::driver {
namespace {

using ::testing::HasSubstr;

bool driver_is_installed() {
  void* library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library) dlclose(library);
  return library != nullptr;
}

TEST(DriverTableTest, TheReasonNamesTheMissingLibrary) {
  if (driver_is_installed()) GTEST_SKIP() << "libcuda.so.1 is installed here";
  EXPECT_EQ(find(), nullptr);
  EXPECT_THAT(unavailable_reason(), HasSubstr("libcuda.so.1"));
}

TEST(DriverTableTest, ADriverGivesATableOrAReason) {
  if (!driver_is_installed()) GTEST_SKIP() << "libcuda.so.1 is not installed here";
  EXPECT_NE(find() == nullptr, unavailable_reason().empty());
}

TEST(DriverTableTest, AnInstalledDriverIsTheLibraryOrATestsTable) {
  EXPECT_EQ(is_installed(), driver_is_installed());
  const fake::FakeDriver fake;
  {
    const ScopedTable scope(&fake.table());
    EXPECT_TRUE(is_installed());
  }
  const ScopedTable scope(nullptr);
  EXPECT_FALSE(is_installed());
}

TEST(DriverTableTest, EveryCallReturnsTheSameTable) { EXPECT_EQ(find(), find()); }

TEST(DriverTableTest, ADisabledTableReturnsErrors) {
  fake::FakeDriver fake;
  Table table = fake.table();
  table.cuStreamGetDevice = nullptr;
  disable(table);
  int count = -1;
  EXPECT_EQ(table.cuDeviceGetCount(&count), CUDA_ERROR_NOT_INITIALIZED);
  EXPECT_EQ(count, -1);
  EXPECT_EQ(table.cuStreamSynchronize(nullptr), CUDA_ERROR_NOT_INITIALIZED);
  EXPECT_EQ(table.cuStreamDestroy(nullptr), CUDA_ERROR_NOT_INITIALIZED);
  EXPECT_EQ(table.cuStreamGetDevice, nullptr) << "a function that the driver lacks was added";
  EXPECT_EQ(fake.violations(), std::vector<std::string>{}) << "the disabled table called the driver";
}

TEST(DriverTableTest, AForkedChildOfACudaProcessHasNoTable) {
  fake::FakeDriver fake;
  const ScopedTable scope(&fake.table());
  EXPECT_EQ(in_child([] { return find() == nullptr && is_lost_in_fork() ? unavailable_reason() : "there is one"; }),
            "CUDA was started before this process was forked, and does not work in it: start processes with "
            "multiprocessing's 'spawn' or 'forkserver', or use the GPU in the forked process alone");
  EXPECT_EQ(find(), &fake.table());
  EXPECT_FALSE(is_lost_in_fork());
}

TEST(DriverTableTest, AForkedChildWithoutCudaLosesNothing) {
  const ScopedTable scope(nullptr);
  EXPECT_EQ(in_child([] { return is_lost_in_fork() ? "lost" : "not lost"; }), "not lost");
}

TEST(ScopedTableTest, AScopedTableOverridesAndRestores) {
  const Table* const before = find();
  const std::string reason = unavailable_reason();
  const Table table;
  {
    const ScopedTable scope(&table);
    EXPECT_EQ(find(), &table);
  }
  EXPECT_EQ(find(), before);
  EXPECT_EQ(unavailable_reason(), reason);
}

TEST(ScopedTableTest, ANullTableMeansNoDriver) {
  const ScopedTable scope(nullptr);
  EXPECT_EQ(find(), nullptr);
  EXPECT_THAT(unavailable_reason(), HasSubstr("no driver"));
}

TEST(TableTest, GreenContextsNeedAllTheirFunctions) {
  const fake::FakeDriver fake;
  EXPECT_FALSE(Table{}.has_green_contexts());
  EXPECT_TRUE(fake.table().has_green_contexts());
  const auto lacks = [&](auto member) {
    Table table = fake.table();
    table.*member = nullptr;
    return !table.has_green_contexts();
  };
  EXPECT_TRUE(lacks(&Table::cuDeviceGetDevResource));
  EXPECT_TRUE(lacks(&Table::cuDevSmResourceSplitByCount));
  EXPECT_TRUE(lacks(&Table::cuDevResourceGenerateDesc));
  EXPECT_TRUE(lacks(&Table::cuGreenCtxCreate));
  EXPECT_TRUE(lacks(&Table::cuGreenCtxDestroy));
  EXPECT_TRUE(lacks(&Table::cuGreenCtxStreamCreate));
  EXPECT_FALSE(lacks(&Table::cuStreamGetDevice));
}

}  // namespace
}  // namespace greenlane::driver
