// The words of a C++ source, as far as a reader of generated code needs them.
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
  // Points into the source. A text has its quotes, a comment its marks.
  std::string_view text;

  [[nodiscard]] bool is(std::string_view other) const noexcept { return kind != Kind::text && text == other; }
};

// Whether it is one of these.
[[nodiscard]] bool is_any(const Token& token, std::initializer_list<std::string_view> texts);
// ( [ { and what closes them.
[[nodiscard]] bool opens(const Token& token);
[[nodiscard]] bool closes(const Token& token);
// Of a number without suffix.
[[nodiscard]] std::optional<std::size_t> index_of(const Token& token);

// One pass. Lines of the preprocessor are left out.
[[nodiscard]] std::vector<Token> tokens_of(std::string_view source);

// Some of the tokens of a source, in order.
class TokenRange {
 public:
  TokenRange(const std::vector<Token>& tokens, std::size_t begin, std::size_t end)
      : tokens_(&tokens), begin_(begin), end_(end) {}

  [[nodiscard]] std::size_t size() const noexcept { return end_ - begin_; }
  [[nodiscard]] bool empty() const noexcept { return begin_ == end_; }
  // An empty sign outside the range.
  [[nodiscard]] const Token& operator[](std::size_t i) const noexcept;
  // Where what opens at `i` closes: the index of its `)`, `]` or `}`, or size() where it does not, or brackets in it do
  // not match.
  [[nodiscard]] std::size_t closing(std::size_t i) const;
  // Where the template arguments that open at `i` close, or `i` where no template arguments of types and numbers do.
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
