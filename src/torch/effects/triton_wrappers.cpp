#include "torch/effects/triton_wrappers.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

namespace greenlane::detail {
namespace {

using Kind = Token::Kind;

bool is_numbered(std::string_view name, std::string_view stem) {
  return name.starts_with(stem) && name.size() > stem.size() &&
         std::ranges::all_of(name.substr(stem.size()), [](char c) { return c >= '0' && c <= '9'; });
}

// Returns whether Inductor gives this name to a parameter that its kernels only read. Some parameters of templates are
// written to (arg_LSE).
bool is_read_by_name(std::string_view parameter) {
  if (is_numbered(parameter, "in_ptr")) return true;
  constexpr std::array<std::string_view, 13> kArguments = {"arg_A",    "arg_A_inverse_scale",
                                                           "arg_B",    "arg_B_inverse_scale",
                                                           "arg_C",    "arg_D",
                                                           "arg_K",    "arg_Q",
                                                           "arg_V",    "arg_W",
                                                           "arg_X",    "arg_a_ptr",
                                                           "arg_b_ptr"};
  return std::ranges::binary_search(kArguments, parameter);
}

// Returns the name that a parameter declares: the last name before its default.
std::string_view parameter_name(const TokenRange& parameter) {
  std::string_view name;
  for (std::size_t i = 0; i < parameter.size() && !parameter[i].is("="); ++i) {
    if (parameter[i].kind == Kind::name) name = parameter[i].text;
  }
  return name;
}

// Returns whether the kernel's own source, kept in a comment, lists the parameter in 'mutated_arg_names':
// ['in_out_ptr0'].
bool lists_as_mutated(std::string_view comment, std::string_view parameter) {
  const auto key = comment.find("'mutated_arg_names'");
  if (key == std::string_view::npos) return false;
  const std::string_view list = comment.substr(key, comment.find(']', key) - key);
  const auto quoted = std::string("'").append(parameter).append("'");
  return list.find(quoted) != std::string_view::npos;
}

Writes writes_of_wrapper(std::string_view wrapper, const TokenRange& parameters, const TokenRange& body) {
  bool is_inductors = wrapper.starts_with("call_triton_") || wrapper.starts_with("call_multi_kernel_");
  std::vector<std::string_view> comments;
  for (std::size_t i = 0; i < body.size(); ++i) {
    if (body[i].kind == Kind::comment) comments.push_back(body[i].text);
  }
  const auto some_comment = [&](const auto& says) { return std::ranges::any_of(comments, says); };
  if (some_comment([](std::string_view text) { return text.find("user_autotune") != std::string_view::npos; })) {
    is_inductors = false;
  }
  Writes writes;
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= parameters.size(); ++i) {
    if (i < parameters.size() && !parameters[i].is(",")) continue;
    const std::string_view name = parameter_name(parameters.sub(begin, i));
    writes.push_back(!is_inductors || !is_read_by_name(name) ||
                     some_comment([&](std::string_view text) { return lists_as_mutated(text, name); }));
    begin = i + 1;
  }
  return writes;
}

}  // namespace

std::unordered_map<std::string_view, Writes> triton_wrappers_of(const TokenRange& tokens) {
  std::unordered_map<std::string_view, Writes> wrappers;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (!tokens[i].is("void") || !tokens[i + 1].text.starts_with("call_") || !tokens[i + 2].is("(")) continue;
    const std::size_t close = tokens.closing(i + 2);
    if (!tokens[close + 1].is("{")) continue;
    const std::size_t end = tokens.closing(close + 1);
    Writes writes = writes_of_wrapper(tokens[i + 1].text, tokens.sub(i + 3, close), tokens.sub(close + 2, end));
    wrappers.insert_or_assign(tokens[i + 1].text, std::move(writes));
    i = close;
  }
  return wrappers;
}

}  // namespace greenlane::detail
