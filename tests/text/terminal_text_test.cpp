#include "text/terminal_text.hpp"

#include <gmock/gmock.h>

namespace greenlane::text {
namespace {

TEST(TerminalTextTest, PlainTextIsUnchanged) {
  for (const std::string text : {"", "policy", "p99 / µs × 2 – …", "カメラ", "\U0001F600", R"(a\b "c")"})
    EXPECT_EQ(terminal_text(text), text);
}

TEST(TerminalTextTest, ControlSequencesAreEscaped) {
  EXPECT_EQ(terminal_text("\x1b[31mRED\x1b]0;title\x07"), R"(\x1b[31mRED\x1b]0;title\x07)");
  EXPECT_EQ(terminal_text("a\nb\r\tc\x7f"), R"(a\nb\r\tc\x7f)");
  EXPECT_EQ(terminal_text(std::string_view("a\0b", 3)), R"(a\x00b)");
  EXPECT_EQ(terminal_text("\u009b31m"), R"(\u009b31m)") << "a C1 control character was not escaped";
}

TEST(TerminalTextTest, InvisibleAndDirectionCharactersAreEscaped) {
  EXPECT_EQ(terminal_text("a\u202eb\u2066c\u200f\u2028\ufeff\u200b"), R"(a\u202eb\u2066c\u200f\u2028\ufeff\u200b)");
  EXPECT_EQ(terminal_text("\U000E0041"), R"(\U000e0041)");
}

TEST(TerminalTextTest, InvalidUtf8IsEscaped) {
  EXPECT_EQ(terminal_text("caf\xe9"), R"(caf\xe9)");
  EXPECT_EQ(terminal_text("\xc0\xaf"), R"(\xc0\xaf)") << "an overlong encoding was not escaped";
  EXPECT_EQ(terminal_text("\xed\xa0\x80"), R"(\xed\xa0\x80)") << "half of a surrogate pair was not escaped";
  EXPECT_EQ(terminal_text("\xf4\x90\x80\x80"), R"(\xf4\x90\x80\x80)") << "a code point above U+10FFFF was not escaped";
  EXPECT_EQ(terminal_text("\xe2\x82"), R"(\xe2\x82)") << "a truncated character was not escaped";
}

TEST(TerminalTextTest, EscapedTextIsUnchanged) {
  const auto once = terminal_text("\x1b\u202e\xff");
  EXPECT_EQ(terminal_text(once), once);
}

}  // namespace
}  // namespace greenlane::text
