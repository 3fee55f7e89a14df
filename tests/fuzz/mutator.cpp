#include "fuzz/mutator.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

namespace greenlane::fuzz {
namespace {

constexpr std::size_t kLongest = std::size_t{1} << 18U;
constexpr std::size_t kMostWords = 5000;

constexpr std::array<std::string_view, 24> kNumbers{"0",
                                                    "-1",
                                                    "1",
                                                    "2",
                                                    "7",
                                                    "255",
                                                    "256",
                                                    "65536",
                                                    "2147483647",
                                                    "2147483648",
                                                    "-2147483649",
                                                    "4294967297",
                                                    "9223372036854775807",
                                                    "9223372036854775808",
                                                    "-9223372036854775808",
                                                    "18446744073709551616",
                                                    "1e308",
                                                    "1e-320",
                                                    "1e999",
                                                    "nan",
                                                    "inf",
                                                    "-0.0",
                                                    "0x10",
                                                    "1_000"};

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.'; }

// Returns the begin and the length of the word around `at`, or of the single other character there.
std::pair<std::size_t, std::size_t> word_at(std::string_view input, std::size_t at) {
  if (!is_word(input[at])) return {at, 1};
  std::size_t begin = at;
  while (begin > 0 && is_word(input[begin - 1])) --begin;
  std::size_t end = at;
  while (end < input.size() && is_word(input[end])) ++end;
  return {begin, end - begin};
}

std::pair<std::size_t, std::size_t> line_at(std::string_view input, std::size_t at) {
  const auto before = input.rfind('\n', at == 0 ? 0 : at - 1);
  const std::size_t begin = before == std::string_view::npos || at == 0 ? 0 : before + 1;
  const auto after = input.find('\n', begin);
  return {begin, (after == std::string_view::npos ? input.size() : after + 1) - begin};
}

}  // namespace

std::size_t Mutator::below(std::size_t end) { return random_() % end; }

void Mutator::learn(std::string_view input) {
  for (std::size_t at = 0; at < input.size() && words_.size() < kMostWords;) {
    const auto [begin, length] = word_at(input, at);
    if (length < 64) words_.emplace_back(input.substr(begin, length));
    at = begin + length;
  }
  std::ranges::sort(words_);
  const auto same = std::ranges::unique(words_);
  words_.erase(same.begin(), same.end());
}

std::string Mutator::mutate(std::string input, std::string_view other) {
  for (std::size_t changes = 1 + below(4); changes > 0; --changes) change(input, other);
  if (input.size() > kLongest) input.resize(kLongest);
  return input;
}

void Mutator::change(std::string& input, std::string_view other) {
  if (input.empty()) {
    input = other;
    return;
  }
  switch (below(3)) {
    case 0:
      change_bytes(input);
      break;
    case 1:
      change_word(input);
      break;
    default:
      change_block(input, other);
  }
}

void Mutator::change_bytes(std::string& input) {
  const auto at = below(input.size());
  switch (below(4)) {
    case 0:
      input[at] = static_cast<char>(input[at] ^ (1 << below(8)));
      break;
    case 1:
      input[at] = static_cast<char>(below(256));
      break;
    case 2:
      input.insert(at, 1 + below(4), static_cast<char>(below(256)));
      break;
    default:
      input.erase(at, 1 + below(4));
  }
}

void Mutator::change_word(std::string& input) {
  const auto [begin, length] = word_at(input, below(input.size()));
  switch (below(4)) {
    case 0:
      input.replace(begin, length, kNumbers[below(kNumbers.size())]);
      break;
    case 1:
      if (!words_.empty()) input.replace(begin, length, words_[below(words_.size())]);
      break;
    case 2:
      if (!words_.empty()) input.insert(begin, words_[below(words_.size())]);
      break;
    default:
      input.erase(begin, length);
  }
}

void Mutator::change_block(std::string& input, std::string_view other) {
  const auto [line, length] = line_at(input, below(input.size()));
  const auto at = below(input.size() + 1);
  switch (below(6)) {
    case 0:
      input.erase(line, length);
      break;
    case 1:
      input.insert(at, input.substr(line, std::min<std::size_t>(length, 4096)));
      break;
    case 2: {  // the same part many times: for nesting and for large counts
      std::string many;
      const auto part = input.substr(line, std::min<std::size_t>(length, 64));
      for (std::size_t times = std::size_t{1} << below(9); times > 0; --times) many += part;
      input.insert(line, many);
      break;
    }
    case 3:
      if (!other.empty()) {
        const auto begin = below(other.size());
        input.insert(at, other.substr(begin, 1 + below(std::min<std::size_t>(other.size() - begin, 512))));
      }
      break;
    case 4:
      input.resize(at);
      break;
    default: {
      const auto from = below(input.size());
      const auto part = input.substr(from, 1 + below(64));
      input.erase(from, part.size());
      input.insert(std::min(at, input.size()), part);
    }
  }
}

}  // namespace greenlane::fuzz
