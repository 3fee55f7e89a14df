#include "driver/table.hpp"

#include "support/fake_driver.hpp"

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

TEST(DriverTableTest, WithoutADriverThereIsNoTableAndTheReasonNamesTheLibrary) {
  if (driver_is_installed()) GTEST_SKIP() << "libcuda.so.1 is installed here";
  EXPECT_EQ(find(), nullptr);
  EXPECT_THAT(unavailable_reason(), HasSubstr("libcuda.so.1"));
}

TEST(DriverTableTest, WithADriverEitherATableOrAReasonIsThere) {
  if (!driver_is_installed()) GTEST_SKIP() << "libcuda.so.1 is not installed here";
  EXPECT_NE(find() == nullptr, unavailable_reason().empty());
}

TEST(DriverTableTest, IsTheSameAtEveryCall) { EXPECT_EQ(find(), find()); }

TEST(ScopedTableTest, OverridesAndRestores) {
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

TEST(ScopedTableTest, NullMeansThatThereIsNoDriver) {
  const ScopedTable scope(nullptr);
  EXPECT_EQ(find(), nullptr);
  EXPECT_THAT(unavailable_reason(), HasSubstr("no driver"));
}

TEST(TableTest, GreenContextsNeedEveryOneOfTheirFunctions) {
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
