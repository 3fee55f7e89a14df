#include <greenlane/core/log.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace greenlane {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class LogTest : public ::testing::Test {
 protected:
  ~LogTest() override { set_warning_sink({}); }
  std::vector<std::string> texts_;
};

TEST_F(LogTest, WarningsGoToTheSink) {
  set_warning_sink([&](const std::string& text) { texts_.push_back(text); });
  warn("mind the gap");
  EXPECT_THAT(texts_, ElementsAre("mind the gap"));
}

TEST_F(LogTest, SettingASinkReturnsTheFormerOne) {
  set_warning_sink([&](const std::string& text) { texts_.push_back("first: " + text); });
  auto former = set_warning_sink([&](const std::string& text) { texts_.push_back("second: " + text); });
  warn("a");
  set_warning_sink(std::move(former));
  warn("b");
  EXPECT_THAT(texts_, ElementsAre("second: a", "first: b"));
}

TEST_F(LogTest, AnEmptySinkRestoresTheDefault) {
  set_warning_sink([&](const std::string& text) { texts_.push_back(text); });
  set_warning_sink({});
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  warn("mind the gap");
  const std::string out = ::testing::internal::GetCapturedStdout();
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), AllOf(HasSubstr("greenlane"), HasSubstr("mind the gap")));
  EXPECT_EQ(out, "");
  EXPECT_TRUE(texts_.empty());
}

TEST_F(LogTest, NamesInAWarningAreEscaped) {
  ::testing::internal::CaptureStderr();
  warn("engine 'a\x1b[2J\nb'");
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr(R"(engine 'a\x1b[2J\nb')"));
}

TEST_F(LogTest, ManyThreadsMayWarn) {
  constexpr int kThreads = 4;
  constexpr int kWarnings = 500;
  int count = 0;  // not atomic: the sink is called by one thread at a time
  set_warning_sink([&](const std::string&) { ++count; });
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([] {
        for (int n = 0; n < kWarnings; ++n) warn("mind the gap");
      });
    }
  }
  EXPECT_EQ(count, kThreads * kWarnings);
}

}  // namespace
}  // namespace greenlane
