// The tokens of a C++ source, as far as a reader of generated code needs them.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string_view>
#include <vector>

namespace greenlane::detail {

struct Token {
  enum class Kind { name, number, text, sign, comment };
  Kind kind = Kind::sign;
  // Points into the source. A text includes its quotes, a comment its marks.
  std::string_view text;

  [[nodiscard]] bool is(std::string_view other) const noexcept { return kind != Kind::text && text == other; }
};

// Returns whether the token is one of these.
[[nodiscard]] bool is_any(const Token& token, std::initializer_list<std::string_view> texts);
// Return whether the token is one of ( [ {, or one of ) ] }.
[[nodiscard]] bool opens(const Token& token);
[[nodiscard]] bool closes(const Token& token);
// Returns the value of a number of at most nine digits without a suffix; else absent.
[[nodiscard]] std::optional<std::size_t> index_of(const Token& token);

// Splits a source into tokens, in one pass. Lines of the preprocessor are left out.
[[nodiscard]] std::vector<Token> tokens_of(std::string_view source);

// A range of a source's tokens.
class TokenRange {
 public:
  TokenRange(const std::vector<Token>& tokens, std::size_t begin, std::size_t end)
      : tokens_(&tokens), begin_(begin), end_(end) {}

  [[nodiscard]] std::size_t size() const noexcept { return end_ - begin_; }
  [[nodiscard]] bool empty() const noexcept { return begin_ == end_; }
  // Returns the token at `i`; an empty sign outside the range.
  [[nodiscard]] const Token& operator[](std::size_t i) const noexcept;
  // Returns the index of the `)`, `]` or `}` that closes the bracket at `i`; size() if it does not close, or if
  // brackets inside do not match.
  [[nodiscard]] std::size_t closing(std::size_t i) const;
  // Returns the index of the `>` that closes the template arguments at `i`; `i` if those are not types and numbers.
  [[nodiscard]] std::size_t closing_template(std::size_t i) const noexcept;
  [[nodiscard]] TokenRange sub(std::size_t begin, std::size_t end) const {
    return {*tokens_, begin_ + begin, begin_ + end};
  }

 private:
  const std::vector<Token>* tokens_;
  std::size_t begin_;
  std::size_t end_;
};

}  // namespace greenlane::detail
