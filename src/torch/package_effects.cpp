#include "torch/package_effects.hpp"

#include "torch/effects/run_reader.hpp"
#include "torch/effects/source_tokens.hpp"
#include "torch/effects/triton_wrappers.hpp"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

namespace greenlane::detail {
namespace {

ConstantKind kind_of(std::string_view name) {
  if (name == "Parameter") return ConstantKind::parameter;
  if (name == "Buffer") return ConstantKind::buffer;
  if (name == "TensorConstant") return ConstantKind::tensor;
  return name == "FoldedConstant" ? ConstantKind::folded : ConstantKind::unknown;
}

// Reads the constants from `constants_info_[0].original_fqn = "…";` and similar statements.
std::vector<PackageConstant> constants_of(const TokenRange& code) {
  std::vector<PackageConstant> constants;
  for (std::size_t i = 0; i < code.size(); ++i) {
    if (!code[i].is("constants_info_") || !code[i + 6].is("=")) continue;
    const auto index = index_of(code[i + 2]);
    if (!index || *index > code.size()) continue;
    if (*index >= constants.size()) constants.resize(*index + 1);
    PackageConstant& constant = constants[*index];
    const std::string_view field = code[i + 5].text;
    const std::string_view value = code[i + 7].text;
    if (field == "original_fqn" && value.size() >= 2) constant.name = value.substr(1, value.size() - 2);
    if (field != "type") continue;
    // The kind is at the end of the statement: `::NAME)`.
    for (std::size_t at = i + 7; at < code.size() && !code[at].is(";"); ++at) {
      if (code[at].is("ConstantType")) constant.kind = kind_of(code[at + 2].text);
    }
  }
  return constants;
}

// Returns the nodes' targets, in order. Only keys of nodes match, because quotes inside a text are escaped.
std::vector<std::string_view> targets_of(std::string_view nodes) {
  constexpr std::string_view kKey = "\"target\"";
  std::vector<std::string_view> targets;
  for (auto at = nodes.find(kKey); at != std::string_view::npos; at = nodes.find(kKey, at)) {
    at += kKey.size();
    const auto begin = nodes.find_first_not_of(" :", at);
    if (begin == at || begin == std::string_view::npos || nodes[begin] != '"') continue;
    const auto end = nodes.find('"', begin + 1);
    if (end == std::string_view::npos) return {};
    targets.push_back(nodes.substr(begin + 1, end - begin - 1));
    at = end + 1;
  }
  return targets;
}

std::optional<TokenRange> run_body_of(const TokenRange& code) {
  std::optional<TokenRange> body;
  for (std::size_t i = 0; i < code.size(); ++i) {
    if (!code[i].is("::") || !code[i + 1].is("run_impl") || !code[i + 2].is("(")) continue;
    const std::size_t open = code.closing(i + 2) + 1;
    const std::size_t close = code.closing(open);
    if (!code[open].is("{")) continue;
    // The function is followed by the end of its namespace. Otherwise the body that was found is not the whole
    // function.
    if (body || !code[close + 1].is("}")) return std::nullopt;
    body = code.sub(open + 1, close);
  }
  return body;
}

// Returns whether the wrapper takes streams from its cache. A wrapper with events alone declares the cache, too.
bool uses_own_streams(const TokenRange& code) {
  for (std::size_t i = 0; i < code.size(); ++i) {
    if (code[i].is("_aoti_aux_stream_cache") && code[i + 1].is(".")) return true;
  }
  return false;
}

// Makes all inputs and constants count as written to.
PackageEffects unknown_effects(PackageEffects effects, std::size_t inputs, std::vector<PackageConstant> constants) {
  for (PackageConstant& constant : constants) constant.is_written = true;
  effects.writes_input.assign(inputs, true);
  effects.constants = std::move(constants);
  return effects;
}

}  // namespace

std::vector<std::string> PackageEffects::written_constants() const {
  std::vector<std::string> names;
  for (const PackageConstant& constant : constants) {
    if (constant.is_written) names.push_back(constant.name);
  }
  return names;
}

PackageEffects effects_of_source(std::string_view wrapper_source, std::size_t inputs, std::string_view extern_nodes) {
  const std::vector<Token> tokens = tokens_of(wrapper_source);
  std::vector<Token> code;
  code.reserve(tokens.size());
  std::ranges::copy_if(tokens, std::back_inserter(code), [](const Token& t) { return t.kind != Token::Kind::comment; });
  const TokenRange all_code(code, 0, code.size());

  std::vector<PackageConstant> constants = constants_of(all_code);
  const auto body = run_body_of(all_code);
  PackageEffects effects;
  effects.has_own_streams = uses_own_streams(all_code);
  if (!body) return unknown_effects(std::move(effects), inputs, std::move(constants));
  const RunEffects run = read_run(*body, {.inputs = inputs,
                                          .constants = constants.size(),
                                          .wrappers = triton_wrappers_of(TokenRange(tokens, 0, tokens.size())),
                                          .operators = targets_of(extern_nodes)});
  if (!run.is_understood) return unknown_effects(std::move(effects), inputs, std::move(constants));

  effects.is_known = true;
  for (std::size_t i = 0; i < inputs; ++i) effects.writes_input.push_back(run.written[i]);
  for (std::size_t i = 0; i < constants.size(); ++i) constants[i].is_written = run.written[inputs + i];
  effects.constants = std::move(constants);
  effects.draws_random_numbers = run.draws_random_numbers;
  effects.has_hidden_state = run.has_hidden_state;
  return effects;
}

}  // namespace greenlane::detail
