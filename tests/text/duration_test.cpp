#include "text/duration.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>

namespace greenlane::text {
namespace {

using std::chrono::nanoseconds;

constexpr auto kSecond = std::chrono::seconds(1);

TEST(DurationTest, ANumberWithItsUnitIsRead) {
  EXPECT_EQ(read_duration("50us", kSecond), nanoseconds(50'000));
  EXPECT_EQ(read_duration("1.5ms", kSecond), nanoseconds(1'500'000));
  EXPECT_EQ(read_duration("0.001us", kSecond), nanoseconds(1));
  EXPECT_EQ(read_duration("1000ms", kSecond), kSecond);
  EXPECT_EQ(read_duration("0.1ms", kSecond), nanoseconds(100'000)) << "which no double holds exactly";
}

TEST(DurationTest, OtherTextsAreNone) {
  for (const std::string text : {"", "50", "us", "50 us", " 50us", "50us ", "50US", "50s", "-5us", "+5us", "0us",
                                 "0x5us", "5e", "nanus", "infms", "1e400us", "1000.1ms", "0.0001us", "50usms"})
    EXPECT_EQ(read_duration(text, kSecond), std::nullopt) << text;
}

TEST(DurationTest, TheLongestIsTheCallersChoice) {
  EXPECT_EQ(read_duration("51us", nanoseconds(50'000)), std::nullopt);
  EXPECT_EQ(read_duration("50us", nanoseconds(50'000)), nanoseconds(50'000));
  EXPECT_EQ(read_duration("2000ms", 3 * kSecond), 2 * kSecond);
}

TEST(DurationTest, APersonReadsFewDigits) {
  EXPECT_EQ(duration_text(85.34), "85.3 µs");
  EXPECT_EQ(duration_text(350.2), "350 µs");
  EXPECT_EQ(duration_text(12'400), "12.4 ms");
  EXPECT_EQ(duration_text(1'204'000), "1.20 s");
}

}  // namespace
}  // namespace greenlane::text
