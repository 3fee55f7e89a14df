#include "torch/effects/run_reader.hpp"

#include "torch/effects/shim_calls.hpp"

#include <algorithm>
#include <optional>
#include <ranges>
#include <utility>

namespace greenlane::detail {
namespace {

using Kind = Token::Kind;

// Splits a body into statements, without the braces of blocks; the head of an `if` or a loop is a statement. Absent if
// the brackets do not match.
std::optional<std::vector<TokenRange>> statements_of(const TokenRange& body) {
  std::vector<TokenRange> statements;
  std::size_t begin = 0;
  std::size_t depth = 0;
  const auto finish = [&](std::size_t end, std::size_t next) {
    if (begin < end) statements.push_back(body.sub(begin, end));
    begin = next;
  };
  for (std::size_t i = 0; i < body.size(); ++i) {
    const Token& token = body[i];
    const bool begins_block = token.is("{") && (i == begin || body[i - 1].is(")"));
    if (depth == 0 && (begins_block || token.is("}") || token.is(";"))) {
      finish(i, i + 1);
    } else if (opens(token)) {
      ++depth;
    } else if (closes(token)) {
      if (depth == 0) return std::nullopt;
      --depth;
      if (depth == 0 && is_any(body[begin], {"if", "for", "while", "switch"})) finish(i + 1, i + 1);
    } else if (i == begin && is_any(token, {"else", "do", "try"})) {
      begin = i + 1;
    }
  }
  finish(body.size(), body.size());
  return depth == 0 ? std::optional(std::move(statements)) : std::nullopt;
}

// Sorted indices of inputs, then constants.
using Roots = std::vector<std::size_t>;

bool add_to(Roots& roots, const Roots& more) {
  bool changed = false;
  for (const std::size_t root : more) {
    const auto place = std::ranges::lower_bound(roots, root);
    if (place != roots.end() && *place == root) continue;
    roots.insert(place, root);
    changed = true;
  }
  return changed;
}

class RunReader {
 public:
  explicit RunReader(const RunSurroundings& surroundings) : around_(surroundings) {
    effects_.written.resize(around_.inputs + around_.constants);
  }

  RunEffects read(const TokenRange& body) {
    effects_.is_understood = understands(body);
    return std::move(effects_);
  }

 private:
  bool understands(const TokenRange& body) {
    const auto statements = statements_of(body);
    if (!statements) return false;
    const bool has_loops = std::ranges::any_of(
        *statements, [](const TokenRange& statement) { return is_any(statement[0], {"while", "for", "do"}); });
    // A loop carries handles back to its beginning. A handle never loses roots, so the passes come to an end.
    constexpr int kMostPasses = 16;
    for (int pass = 0; pass < kMostPasses; ++pass) {
      changed_ = false;
      for (const TokenRange& statement : *statements) read_statement(statement);
      if (!is_understood_ || !has_loops || !changed_) return is_understood_ && takes_all_inputs_;
    }
    return false;
  }

  // A bracket that is open.
  struct Frame {
    std::string_view function;
    Effect effect = Effect::value;
    const Writes* triton = nullptr;
    bool is_proxy = false;
    bool is_const_cast = false;
    // The call draws random numbers unless this argument is zero.
    std::optional<std::size_t> dropout;
    std::size_t argument = 0;
  };

  void read_statement(const TokenRange& statement) {
    frames_.clear();
    outputs_.clear();
    flow_.clear();
    const std::size_t assignment = assignment_in(statement);
    const bool is_assignment = assignment < statement.size();
    if (is_assignment) add_target(statement.sub(0, assignment));
    for (std::size_t i = is_assignment ? assignment + 1 : 0; i < statement.size();) i = read_token(statement, i);
    if (flow_.empty()) return;
    for (const std::string_view output : outputs_) changed_ = add_to(aliases_[output], flow_) || changed_;
  }

  static std::size_t assignment_in(const TokenRange& statement) {
    std::size_t depth = 0;
    for (std::size_t i = 0; i < statement.size(); ++i) {
      if (opens(statement[i])) ++depth;
      if (closes(statement[i])) --depth;
      if (depth == 0 && statement[i].is("=")) return i;
    }
    return statement.size();
  }

  // Notes the variable that `auto x`, `x[0]` or `x.member[0]` assigns, wholly or in part.
  void add_target(const TokenRange& target) {
    std::size_t depth = 0;
    std::optional<std::size_t> last;
    for (std::size_t i = 0; i < target.size(); ++i) {
      if (opens(target[i])) ++depth;
      if (closes(target[i])) --depth;
      if (depth == 0 && target[i].kind == Kind::name) last = i;
    }
    if (!last) return;
    while (*last >= 2 && is_any(target[*last - 1], {".", "->"})) *last -= 2;
    outputs_.push_back(variable_at(target, *last));
  }

  // Returns the variable's name; with the index if it is an element of the outputs.
  static std::string_view variable_at(const TokenRange& tokens, std::size_t i) {
    const Token& token = tokens[i];
    if (!token.is("output_handles") || !tokens[i + 1].is("[") || !tokens[i + 3].is("]")) return token.text;
    return {token.text.begin(), tokens[i + 3].text.end()};
  }

  // Reads the token at `i`; returns the index of the next token to read.
  std::size_t read_token(const TokenRange& statement, std::size_t i) {
    const Token& token = statement[i];
    if (opens(token)) {
      open(statement, i);
    } else if (closes(token)) {
      close();
    } else if (token.is(";")) {
      is_understood_ = is_understood_ && !frames_.empty() && frames_.front().function == "for";
    } else if (token.is(",")) {
      if (!frames_.empty()) ++frames_.back().argument;
    } else if (token.is("<")) {
      return std::max(i, statement.closing_template(i)) + 1;
    } else if (token.is("&")) {
      if (is_any(statement[i - 1], {"(", ",", "{"})) outputs_.push_back(variable_at(statement, i + 1));
    } else if (token.kind == Kind::number) {
      read_number(statement, i);
    } else if (token.kind == Kind::name) {
      return read_name(statement, i);
    }
    return i + 1;
  }

  void open(const TokenRange& statement, std::size_t i) {
    Frame frame;
    frame.function = statement[i].is("[") ? std::string_view() : function_at(statement, i);
    if (statement[i].is("(") && statement[i - 1].is(")")) frame.is_const_cast = ends_const_cast(statement, i - 1);
    // Braces hold the initial values of an array or a variable.
    if (!statement[i].is("{") && !frame.function.empty()) set_effect(frame, statement, i);
    frames_.push_back(frame);
  }

  void close() {
    if (frames_.empty()) {
      is_understood_ = false;
      return;
    }
    // The probability of dropout was not zero.
    if (frames_.back().dropout) effects_.draws_random_numbers = true;
    frames_.pop_back();
  }

  // Returns the function that the bracket at `i` calls: `f(`, `std::f<T>(`, `x.f(`; for a declaration `T x(`, it is T.
  std::string_view function_at(const TokenRange& statement, std::size_t i) {
    const std::size_t name = name_before(statement, i);
    if (name == i) return {};
    const bool is_declaration = name > 0 && name + 1 == i &&
                                (statement[name - 1].kind == Kind::name || statement[name - 1].is(">")) &&
                                !is_any(statement[name - 1], {"return", "throw", "new", "if", "else"});
    if (!is_declaration) return statement[name].text;
    outputs_.push_back(statement[name].text);
    const std::size_t type = name_before(statement, name);
    return statement[type].text;
  }

  // Returns the index of the name before `i`, without template arguments; `i` if there is none.
  static std::size_t name_before(const TokenRange& statement, std::size_t i) {
    if (i == 0) return i;
    std::size_t at = i - 1;
    if (statement[at].is(">")) {
      std::size_t depth = 0;
      for (;; --at) {
        if (statement[at].is(">")) ++depth;
        if (statement[at].is("<") && --depth == 0) break;
        if (at == 0) return i;
      }
      if (at == 0) return i;
      --at;
    }
    return statement[at].kind == Kind::name && !is_any(statement[at], {"return", "throw"}) ? at : i;
  }

  // Returns whether the bracket that closes at `i` is `(const T*)`. For an array of handles, that says nothing about
  // the tensors.
  static bool ends_const_cast(const TokenRange& statement, std::size_t i) {
    std::size_t at = i;
    while (at > 0 && !statement[at].is("(")) --at;
    return statement[at + 1].is("const") && statement[i - 1].is("*") && !statement[at + 2].is("AtenTensorHandle");
  }

  void set_effect(Frame& frame, const TokenRange& statement, std::size_t i) {
    const std::string_view function = frame.function;
    if (const auto wrapper = around_.wrappers.find(function); wrapper != around_.wrappers.end()) {
      frame.triton = &wrapper->second;
      frame.effect = Effect::unknown;
      return;
    }
    if (function == "aoti_torch_proxy_executor_call_function") {
      frame.is_proxy = true;
      frame.effect = effect_of_operator(index_of(statement[i + 3]));
      return;
    }
    frame.effect = effect_of_call(function);
    if (is_unknown_shim(function)) effects_.has_hidden_state = true;
    frame.dropout = dropout_argument(function);
    if (!frame.dropout && function.starts_with("aoti_torch_") && draws_random_numbers(function))
      effects_.draws_random_numbers = true;
    if (function == "steal_from_raw_handles_to_raii_handles") {
      takes_all_inputs_ = statement[i + 1].is("input_handles") && index_of(statement[i + 3]) == around_.inputs;
    }
  }

  // Returns the effect of the operator that the proxy executor has under this number.
  Effect effect_of_operator(std::optional<std::size_t> number) {
    constexpr std::string_view kAten = "aten::";
    const std::string_view target =
        number && *number < around_.operators.size() ? around_.operators[*number] : std::string_view();
    if (draws_random_numbers(target)) effects_.draws_random_numbers = true;
    if (target.starts_with(kAten)) return effect_of_aten(target.substr(kAten.size()));
    effects_.has_hidden_state = true;
    return Effect::unknown;
  }

  void read_number(const TokenRange& statement, std::size_t i) {
    if (frames_.empty() || frames_.back().dropout != frames_.back().argument) return;
    const bool is_alone = statement[i - 1].is(",") && is_any(statement[i + 1], {",", ")"});
    if (is_alone && is_any(statement[i], {"0", "0.0", "0L"})) frames_.back().dropout.reset();
  }

  std::size_t read_name(const TokenRange& statement, std::size_t i) {
    const Token& token = statement[i];
    if (i > 0 && is_any(statement[i - 1], {".", "->", "::"}) && !statement[i - 2].is("this")) return i + 1;
    if (token.is("inputs") || token.is("constants_")) return read_root(statement, i);
    if (token.is("input_handles")) {
      const std::string_view function = frames_.empty() ? std::string_view() : frames_.back().function;
      const bool is_expected =
          function == "steal_from_raw_handles_to_raii_handles" || function == "__check_inputs_outputs";
      is_understood_ = is_understood_ && is_expected;
      return i + 1;
    }
    const std::string_view variable = variable_at(statement, i);
    // The proxy executor takes its results in the same way as its arguments.
    if (std::ranges::any_of(frames_, &Frame::is_proxy)) outputs_.push_back(variable);
    const auto alias = aliases_.find(variable);
    if (alias == aliases_.end()) return i + 1;
    std::size_t last = i;
    while (statement[last].text.end() < variable.end()) ++last;
    use(alias->second, statement, last);
    return last + 1;
  }

  // Reads `inputs[0]` or `constants_->at(0)`.
  std::size_t read_root(const TokenRange& statement, std::size_t i) {
    const bool is_input = statement[i].is("inputs");
    if (is_input && statement[i + 1].is(".") && statement[i + 2].is("clear")) return i + 3;
    const bool is_element = is_input
                                ? statement[i + 1].is("[") && statement[i + 3].is("]")
                                : statement[i + 2].is("at") && statement[i + 3].is("(") && statement[i + 5].is(")");
    const auto index = index_of(statement[i + (is_input ? 2 : 4)]);
    const std::size_t count = is_input ? around_.inputs : effects_.written.size() - around_.inputs;
    if (!is_element || !index || *index >= count) {
      is_understood_ = false;
      return i + 1;
    }
    const std::size_t last = i + (is_input ? 3 : 5);
    use({is_input ? *index : around_.inputs + *index}, statement, last);
    return last + 1;
  }

  // Follows a handle that ends at `last`.
  void use(const Roots& roots, const TokenRange& statement, std::size_t last) {
    if (is_any(statement[last + 1], {".", "->"}) && statement[last + 3].is("(")) {
      const Token& method = statement[last + 2];
      if (is_any(method, {"reset", "sizes", "strides", "size", "stride", "dim", "numel"})) return;
      if (!is_any(method, {"data_ptr", "data", "get", "release", "tensor"})) {
        write(roots);
        return;
      }
    }
    bool is_const = false;
    std::size_t element = 0;
    for (const Frame& frame : std::views::reverse(frames_)) {
      is_const = is_const || frame.is_const_cast;
      if (frame.effect == Effect::value) {
        element = frame.argument;
        continue;
      }
      pass(roots, frame, frame.is_proxy ? element : frame.argument, is_const);
      return;
    }
    add_to(flow_, roots);
  }

  // Follows handles into the argument of a function.
  void pass(const Roots& roots, const Frame& function, std::size_t argument, bool is_const) {
    switch (function.effect) {
      case Effect::value:
      case Effect::none:
        return;
      case Effect::view:
        add_to(flow_, roots);
        return;
      case Effect::writes_first:
        if (argument != 0) return;
        write(roots);
        add_to(flow_, roots);
        return;
      case Effect::unknown:
        if (function.triton != nullptr) {
          if (argument < function.triton->size() && !(*function.triton)[argument]) return;
        } else if (is_const) {
          return;
        }
        write(roots);
        return;
    }
  }

  void write(const Roots& roots) {
    for (const std::size_t root : roots) {
      changed_ = changed_ || !effects_.written[root];
      effects_.written[root] = true;
    }
  }

  const RunSurroundings& around_;
  RunEffects effects_;
  // The roots of variables that hold inputs or constants.
  std::unordered_map<std::string_view, Roots> aliases_;
  bool is_understood_ = true;
  bool takes_all_inputs_ = false;
  bool changed_ = false;

  // State of the current statement.
  std::vector<Frame> frames_;
  std::vector<std::string_view> outputs_;
  Roots flow_;
};

}  // namespace

RunEffects read_run(const TokenRange& body, const RunSurroundings& surroundings) {
  return RunReader(surroundings).read(body);
}

}  // namespace greenlane::detail
