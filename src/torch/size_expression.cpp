#include "torch/size_expression.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <limits>
#include <numeric>
#include <utility>

namespace greenlane::detail {
namespace {

constexpr std::size_t kDeepest = 32;  // the stack's limit; deeper expressions are not understood

__extension__ using Wide = __int128;  // products of two sizes and strides fit

// A fraction. Sizes are whole, but the compiler writes some divisions as `(1.0/4.0)*x`. `over` is positive.
struct Fraction {
  std::int64_t number = 0;
  std::int64_t over = 1;
};

std::optional<Fraction> fraction(Wide number, Wide over) {
  if (over == 0) return std::nullopt;
  if (over < 0) {
    number = -number;
    over = -over;
  }
  constexpr Wide kLargest = std::numeric_limits<std::int64_t>::max();
  if (over != 1) {
    Wide a = number < 0 ? -number : number;
    Wide b = over;
    while (b != 0) a = std::exchange(b, a % b);
    if (a > 1) {
      number /= a;
      over /= a;
    }
  }
  if (number > kLargest || number < -kLargest || over > kLargest) return std::nullopt;
  return Fraction{static_cast<std::int64_t>(number), static_cast<std::int64_t>(over)};
}

Wide floor_divide(Wide number, Wide over) {
  const auto quotient = number / over;
  return number % over != 0 && (number < 0) != (over < 0) ? quotient - 1 : quotient;
}

bool is_name(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == ':'; }

bool is_digit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }

}  // namespace

class SizeArithmetic {
 public:
  using Kind = SizeExpression::Kind;
  using Division = SizeExpression::Division;

  static bool takes_one(Kind kind) {
    return kind == Kind::negate || kind == Kind::floor || kind == Kind::ceil || kind == Kind::truncate ||
           kind == Kind::absolute;
  }

  static std::optional<Fraction> apply(Kind kind, const Fraction& a, Division division) {
    const Wide number = a.number;
    switch (kind) {
      case Kind::negate:
        return fraction(-number, a.over);
      case Kind::absolute:
        return fraction(number < 0 ? -number : number, a.over);
      case Kind::floor:
        return fraction(floor_divide(number, a.over), 1);
      case Kind::ceil:
        return fraction(-floor_divide(-number, a.over), 1);
      default:  // truncate
        if (division == Division::exact && a.over != 1) return std::nullopt;
        return fraction(number / a.over, 1);
    }
  }

  static std::optional<Fraction> apply(Kind kind, const Fraction& a, const Fraction& b, Division division) {
    // Both numbers over the product of the denominators.
    const Wide left = static_cast<Wide>(a.number) * b.over;
    const Wide right = static_cast<Wide>(b.number) * a.over;
    const Wide over = static_cast<Wide>(a.over) * b.over;
    switch (kind) {
      case Kind::add:
        return fraction(left + right, over);
      case Kind::subtract:
        return fraction(left - right, over);
      case Kind::multiply:
        return fraction(static_cast<Wide>(a.number) * b.number, over);
      case Kind::divide:
        return fraction(left, right);
      case Kind::floor_divide:
        if (right == 0 || (division == Division::exact && left % right != 0)) return std::nullopt;
        return fraction(floor_divide(left, right), 1);
      case Kind::remainder:
      case Kind::modulo:
        if (right == 0 || over != 1) return std::nullopt;
        return fraction(kind == Kind::remainder ? left % right : left - floor_divide(left, right) * right, 1);
      default:  // largest, smallest
        return (left >= right) == (kind == Kind::largest) ? a : b;
    }
  }
};

// A parser by recursive descent. Each function appends the steps for the text that it read, and returns false if it
// does not understand the text.
class SizeParser {
 public:
  SizeParser(std::string_view text, const SizeExpression::Resolve& resolve) : rest_(text), resolve_(resolve) {}

  std::optional<SizeExpression> parse() {
    if (!sum() || !next_is_end() || deepest_ > kDeepest) return std::nullopt;
    return std::move(expression_);
  }

 private:
  using Kind = SizeExpression::Kind;

  void skip_spaces() {
    while (!rest_.empty() && rest_.front() == ' ') rest_.remove_prefix(1);
  }

  bool next_is_end() {
    skip_spaces();
    return rest_.empty();
  }

  bool take(std::string_view token) {
    skip_spaces();
    if (!rest_.starts_with(token)) return false;
    rest_.remove_prefix(token.size());
    return true;
  }

  void push(Kind kind, std::int64_t operand = 0) {
    const bool pushes = kind == Kind::number || kind == Kind::value;
    if (pushes) {
      deepest_ = std::max(deepest_, ++depth_);
    } else if (!SizeArithmetic::takes_one(kind)) {
      --depth_;
    }
    expression_.steps_.push_back({kind, operand});
  }

  // NOLINTBEGIN(misc-no-recursion): as deep as the parentheses, which nesting_ limits
  bool sum() {
    if (++nesting_ > kDeepest || !product()) return false;
    for (;;) {
      if (take("+")) {
        if (!product()) return false;
        push(Kind::add);
      } else if (take("-")) {
        if (!product()) return false;
        push(Kind::subtract);
      } else {
        --nesting_;
        return true;
      }
    }
  }

  bool product() {
    if (!factor()) return false;
    for (;;) {
      if (take("*")) {
        if (!factor()) return false;
        push(Kind::multiply);
      } else if (take("//")) {
        if (!factor()) return false;
        push(Kind::floor_divide);
      } else if (take("/")) {
        if (!factor()) return false;
        push(Kind::divide);
      } else if (take("%")) {
        if (!factor()) return false;
        push(Kind::remainder);
      } else {
        return true;
      }
    }
  }

  bool factor() {
    bool minus = false;
    while (take("-")) minus = !minus;
    skip_spaces();
    if (rest_.empty()) return false;
    if (is_digit(rest_.front())) {
      if (!number()) return false;
    } else if (is_name(rest_.front())) {
      if (!name()) return false;
    } else if (!parenthesis()) {
      return false;
    }
    if (minus) push(Kind::negate);
    return true;
  }

  bool parenthesis() { return take("(") && sum() && take(")"); }

  // Reads a number such as "64", "64L" or "4.0".
  bool number() {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (error != std::errc()) return false;
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    if (rest_.starts_with('.')) {
      rest_.remove_prefix(1);
      while (!rest_.empty() && rest_.front() == '0') rest_.remove_prefix(1);
    } else {
      while (!rest_.empty() && (rest_.front() == 'L' || rest_.front() == 'U')) rest_.remove_prefix(1);
    }
    if (!rest_.empty() && (is_name(rest_.front()) || rest_.front() == '.')) return false;
    push(Kind::number, value);
    return true;
  }

  bool name() {
    std::size_t length = 0;
    while (length < rest_.size() && is_name(rest_[length])) ++length;
    const auto word = rest_.substr(0, length);
    rest_.remove_prefix(length);
    if (rest_.starts_with('(') || rest_.starts_with('<')) return call(word);
    return value(std::string(word));
  }

  // Reads a value such as "s77", "arg0_1_size[0]" or "arg0_1.sizes()[0]"; the last two are the same value.
  bool value(std::string word) {
    if (take(".sizes()")) word += "_size";
    if (take(".strides()")) word += "_stride";
    if (take("[")) {
      const auto end = rest_.find(']');
      if (end == std::string_view::npos) return false;
      word += '[';
      word += rest_.substr(0, end + 1);
      rest_.remove_prefix(end + 1);
    }
    const auto index = resolve_(word);
    if (!index) return false;
    push(Kind::value, static_cast<std::int64_t>(*index));
    return true;
  }

  bool call(std::string_view function) {
    std::string_view type;
    if (take("<")) {
      const auto end = rest_.find('>');
      if (end == std::string_view::npos) return false;
      type = rest_.substr(0, end);
      rest_.remove_prefix(end + 1);
    }
    if (!take("(")) return false;
    const bool list = take("{");
    std::size_t count = 0;
    do {
      if (!sum()) return false;
      ++count;
      // A list is folded while it is read.
      if (count > 1 && list && !fold(function)) return false;
    } while (take(","));
    if ((list && !take("}")) || !take(")")) return false;
    if (function == "static_cast") {
      if (count != 1 || list) return false;
      if (type == "int64_t") push(Kind::truncate);
      return type == "int64_t" || type == "double";
    }
    if (count == 1 && !list) return unary(function);
    return list ? function == "std::max" || function == "std::min" : count == 2 && (fold(function) || binary(function));
  }

  bool fold(std::string_view function) {
    if (function != "std::max" && function != "std::min") return false;
    push(function == "std::max" ? Kind::largest : Kind::smallest);
    return true;
  }

  bool unary(std::string_view function) {
    static constexpr std::array<std::pair<std::string_view, Kind>, 4> kUnary{{{"std::floor", Kind::floor},
                                                                              {"std::ceil", Kind::ceil},
                                                                              {"std::trunc", Kind::truncate},
                                                                              {"std::abs", Kind::absolute}}};
    return push_one_of(kUnary, function);
  }

  bool binary(std::string_view function) {
    static constexpr std::array<std::pair<std::string_view, Kind>, 3> kBinary{
        {{"c10::div_floor_integer", Kind::floor_divide},
         {"c10::div_floor_floating", Kind::floor_divide},
         {"c10::div_mod", Kind::modulo}}};
    return push_one_of(kBinary, function);
  }

  bool push_one_of(std::span<const std::pair<std::string_view, Kind>> known, std::string_view function) {
    const auto found = std::ranges::find(known, function, &std::pair<std::string_view, Kind>::first);
    if (found == known.end()) return false;
    push(found->second);
    return true;
  }
  // NOLINTEND(misc-no-recursion)

  std::string_view rest_;
  const SizeExpression::Resolve& resolve_;
  SizeExpression expression_;
  std::size_t depth_ = 0;
  std::size_t deepest_ = 0;
  std::size_t nesting_ = 0;
};

std::optional<SizeExpression> SizeExpression::parse(std::string_view text, const Resolve& resolve) {
  return SizeParser(text, resolve).parse();
}

std::optional<std::int64_t> SizeExpression::evaluate(std::span<const std::int64_t> values, Division division) const {
  std::array<Fraction, kDeepest> stack;
  std::size_t depth = 0;
  for (const auto& [kind, operand] : steps_) {
    std::optional<Fraction> result;
    if (kind == Kind::number || kind == Kind::value) {
      result = Fraction{kind == Kind::number ? operand : values[static_cast<std::size_t>(operand)], 1};
    } else if (SizeArithmetic::takes_one(kind)) {
      result = SizeArithmetic::apply(kind, stack[--depth], division);
    } else {
      depth -= 2;
      result = SizeArithmetic::apply(kind, stack[depth], stack[depth + 1], division);
    }
    if (!result) return std::nullopt;
    stack[depth++] = *result;
  }
  if (depth != 1 || stack[0].over != 1) return std::nullopt;
  return stack[0].number;
}

std::optional<std::int64_t> SizeExpression::constant() const { return values().empty() ? evaluate({}) : std::nullopt; }

std::optional<std::size_t> SizeExpression::single_value() const {
  if (steps_.size() != 1 || steps_[0].kind != Kind::value) return std::nullopt;
  return static_cast<std::size_t>(steps_[0].operand);
}

std::vector<std::size_t> SizeExpression::values() const {
  std::vector<std::size_t> all;
  for (const auto& step : steps_) {
    if (step.kind != Kind::value) continue;
    const auto index = static_cast<std::size_t>(step.operand);
    if (std::ranges::find(all, index) == all.end()) all.push_back(index);
  }
  return all;
}

std::string readable(std::string_view expression) {
  std::string text(expression);
  for (const std::string_view noise : {"static_cast<int64_t>", "c10::", "std::", "<int64_t>"}) {
    for (auto at = text.find(noise); at != std::string::npos; at = text.find(noise)) text.erase(at, noise.size());
  }
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == 'L' && is_digit(text[i - 1])) text.erase(i--, 1);
  }
  return text;
}

}  // namespace greenlane::detail
