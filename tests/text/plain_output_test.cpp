#include "text/plain_output.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

namespace greenlane::text {
namespace {

class PlainOutputTest : public ::testing::Test {
 protected:
  PlainOutputTest() {
    ::unsetenv("NO_COLOR");
    ::setenv("TERM", "xterm", 1);
  }
  ~PlainOutputTest() override {
    if (terminal_ >= 0) ::close(terminal_);
  }
  PlainOutputTest(const PlainOutputTest&) = delete;
  PlainOutputTest& operator=(const PlainOutputTest&) = delete;

  int terminal_ = ::posix_openpt(O_RDWR | O_NOCTTY);
};

TEST_F(PlainOutputTest, ATerminalIsNotPlain) {
  ASSERT_GE(terminal_, 0);
  EXPECT_FALSE(is_plain_output(terminal_));
  ::unsetenv("TERM");
  EXPECT_FALSE(is_plain_output(terminal_));
}

TEST_F(PlainOutputTest, NoColorAndADumbTerminalArePlain) {
  ::setenv("NO_COLOR", "1", 1);
  EXPECT_TRUE(is_plain_output(terminal_));
  ::setenv("NO_COLOR", "", 1);
  EXPECT_FALSE(is_plain_output(terminal_)) << "an empty NO_COLOR counts as not set";
  ::setenv("TERM", "dumb", 1);
  EXPECT_TRUE(is_plain_output(terminal_));
}

TEST_F(PlainOutputTest, AFileAndAClosedDescriptorArePlain) {
  const int file = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  EXPECT_TRUE(is_plain_output(file));
  ::close(file);
  EXPECT_TRUE(is_plain_output(-1));
}

}  // namespace
}  // namespace greenlane::text
