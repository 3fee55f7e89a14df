#include "core/cuda/driver_check.hpp"
#include "support/fake_driver_test.hpp"
#include "support/matchers.hpp"

#include <greenlane/core/error.hpp>

#include <gtest/gtest.h>

namespace greenlane {
namespace {

TEST(ErrorTest, AMessageHasFailureCauseAndRemedy) {
  EXPECT_STREQ(Error({.what = "it failed", .why = "too big", .remedy = "make it smaller"}).what(),
               "it failed: too big; make it smaller");
}

TEST(ErrorTest, EmptyPartsAreLeftOut) {
  EXPECT_STREQ(Error({.what = "it failed", .why = "", .remedy = ""}).what(), "it failed");
  EXPECT_STREQ(Error({.what = "it failed", .why = "too big", .remedy = ""}).what(), "it failed: too big");
  EXPECT_STREQ(Error({.what = "it failed", .why = "", .remedy = "try again"}).what(), "it failed; try again");
}

TEST(ErrorTest, AMessageIsOneEscapedLine) {
  EXPECT_STREQ(Error({.what = "engine 'a\x1b[2J\nb'", .why = "\u202e", .remedy = "try \xff"}).what(),
               R"(engine 'a\x1b[2J\nb': \u202e; try \xff)");
}

template <class Kind>
class ErrorFamilyTest : public ::testing::Test {};
using Kinds = ::testing::Types<DeviceError, PartitionError, StreamError, EngineError, ConfigError>;
TYPED_TEST_SUITE(ErrorFamilyTest, Kinds);

TYPED_TEST(ErrorFamilyTest, EveryKindIsAnErrorAndARuntimeError) {
  const auto fail = [] { throw TypeParam({.what = "it failed", .why = "", .remedy = ""}); };
  EXPECT_THROW(fail(), Error);
  EXPECT_THROW(fail(), std::runtime_error);
}

class DriverCheckTest : public fake::FakeDriverTest {};

TEST_F(DriverCheckTest, SuccessThrowsNothing) {
  EXPECT_NO_THROW(detail::check(fake_.table(), CUDA_SUCCESS, "cuInit", "it"));
}

TEST_F(DriverCheckTest, AFailureHasTheCallAndTheDriversText) {
  const auto fail = [&] { detail::check(fake_.table(), CUDA_ERROR_INVALID_HANDLE, "cuEventRecord", "it failed"); };
  EXPECT_THAT(
      fail, refuses<DriverError>("it failed", "cuEventRecord", "CUDA_ERROR_INVALID_HANDLE", "as the fake driver says"));
}

TEST_F(DriverCheckTest, AFailureHasTheErrorCode) {
  try {
    detail::check(fake_.table(), CUDA_ERROR_INVALID_HANDLE, "cuEventRecord", "it failed");
    FAIL() << "check() threw nothing";
  } catch (const DriverError& error) {
    EXPECT_EQ(error.code(), CUDA_ERROR_INVALID_HANDLE);
  }
}

TEST_F(DriverCheckTest, AnUnknownErrorCodeIsShownAsANumber) {
  EXPECT_EQ(detail::describe(fake_.table(), CUDA_ERROR_NOT_PERMITTED), "unknown error 800 (as the fake driver says)");
}

}  // namespace
}  // namespace greenlane
