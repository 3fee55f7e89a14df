#include "torch/effects/source_tokens.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

namespace greenlane::detail {
namespace {

constexpr std::array<std::string_view, 16> kLongSigns = {"->", "::", "==", "!=", "<=", ">=", "&&", "||",
                                                         "+=", "-=", "*=", "/=", "|=", "&=", "++", "--"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_name_part(char c) { return is_name_start(c) || is_digit(c); }
bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

class Tokenizer {
 public:
  explicit Tokenizer(std::string_view source) : source_(source) {}

  std::vector<Token> run() {
    while (at_ < source_.size()) {
      const char c = source_[at_];
      if (is_space(c)) {
        starts_line_ = starts_line_ || c == '\n';
        ++at_;
        continue;
      }
      if (c == '#' && starts_line_) {
        skip_directive();
        continue;
      }
      starts_line_ = false;
      next(c);
    }
    return std::move(tokens_);
  }

 private:
  using Kind = Token::Kind;

  [[nodiscard]] bool sees(std::string_view text) const { return source_.substr(at_).starts_with(text); }

  void add(Kind kind, std::size_t end) {
    end = std::min(end, source_.size());
    tokens_.push_back({kind, source_.substr(at_, end - at_)});
    at_ = end;
  }

  // Returns the index after the next `text` from `from` on; the end of the source if there is none.
  [[nodiscard]] std::size_t after(std::string_view text, std::size_t from) const {
    const auto found = source_.find(text, from);
    return found == std::string_view::npos ? source_.size() : found + text.size();
  }

  void skip_directive() {
    while (at_ < source_.size()) {
      const auto end = source_.find('\n', at_);
      if (end == std::string_view::npos) {
        at_ = source_.size();
        return;
      }
      const bool goes_on = end > 0 && source_[end - 1] == '\\';
      at_ = end + 1;
      if (!goes_on) return;
    }
  }

  [[nodiscard]] std::size_t end_of_quoted(char quote) const {
    std::size_t end = at_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    return end + 1;
  }

  // R"MARK(…)MARK"
  [[nodiscard]] std::size_t end_of_raw() const {
    const auto open = source_.find('(', at_);
    if (open == std::string_view::npos) return source_.size();
    return after(")" + std::string(source_.substr(at_ + 2, open - at_ - 2)) + "\"", open);
  }

  [[nodiscard]] std::size_t end_of_number() const {
    std::size_t end = at_ + 1;
    for (; end < source_.size(); ++end) {
      const char c = source_[end];
      const bool is_exponent_sign = (c == '+' || c == '-') && (source_[end - 1] == 'e' || source_[end - 1] == 'E');
      if (!is_name_part(c) && c != '.' && !is_exponent_sign) break;
    }
    return end;
  }

  [[nodiscard]] std::size_t end_of_name() const {
    std::size_t end = at_ + 1;
    while (end < source_.size() && is_name_part(source_[end])) ++end;
    return end;
  }

  void next(char c) {
    if (sees("//")) {
      add(Kind::comment, std::min(source_.find('\n', at_), source_.size()));
    } else if (sees("/*")) {
      add(Kind::comment, after("*/", at_ + 2));
    } else if (sees("R\"")) {
      add(Kind::text, end_of_raw());
    } else if (c == '"' || c == '\'') {
      add(Kind::text, end_of_quoted(c));
    } else if (is_digit(c)) {
      add(Kind::number, end_of_number());
    } else if (is_name_start(c)) {
      add(Kind::name, end_of_name());
    } else {
      const bool is_long = std::ranges::any_of(kLongSigns, [this](std::string_view sign) { return sees(sign); });
      add(Kind::sign, at_ + (is_long ? 2 : 1));
    }
  }

  std::string_view source_;
  std::size_t at_ = 0;
  bool starts_line_ = true;
  std::vector<Token> tokens_;
};

}  // namespace

std::optional<std::size_t> index_of(const Token& token) {
  constexpr std::size_t kMostDigits = 9;
  if (token.text.empty() || token.text.size() > kMostDigits || !std::ranges::all_of(token.text, is_digit)) {
    return std::nullopt;
  }
  std::size_t index = 0;
  for (const char digit : token.text) index = index * 10 + static_cast<std::size_t>(digit - '0');
  return index;
}

bool is_any(const Token& token, std::initializer_list<std::string_view> texts) {
  return std::ranges::any_of(texts, [&](std::string_view text) { return token.is(text); });
}

bool opens(const Token& token) { return is_any(token, {"(", "[", "{"}); }
bool closes(const Token& token) { return is_any(token, {")", "]", "}"}); }

std::vector<Token> tokens_of(std::string_view source) { return Tokenizer(source).run(); }

const Token& TokenRange::operator[](std::size_t i) const noexcept {
  static constexpr Token kNothing{};
  return i < size() ? (*tokens_)[begin_ + i] : kNothing;
}

std::size_t TokenRange::closing(std::size_t i) const {
  std::vector<std::string_view> open;
  for (; i < size(); ++i) {
    const Token& token = (*this)[i];
    if (token.is("(")) open.emplace_back(")");
    if (token.is("[")) open.emplace_back("]");
    if (token.is("{")) open.emplace_back("}");
    if (!closes(token)) continue;
    if (open.empty() || !token.is(open.back())) return size();
    open.pop_back();
    if (open.empty()) return i;
  }
  return size();
}

std::size_t TokenRange::closing_template(std::size_t i) const noexcept {
  std::size_t depth = 0;
  for (std::size_t at = i; at < size(); ++at) {
    const Token& token = (*this)[at];
    if (token.is("<")) ++depth;
    if (token.is(">") && --depth == 0) return at;
    const bool is_type = token.kind == Token::Kind::name || token.kind == Token::Kind::number || token.is("<") ||
                         token.is(">") || token.is("::") || token.is(",") || token.is("*") || token.is("&");
    if (!is_type) return i;
  }
  return i;
}

}  // namespace greenlane::detail
