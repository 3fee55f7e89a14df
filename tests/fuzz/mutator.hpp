// Changes of inputs: of bytes, and of the words, numbers, lines and blocks of texts.
#pragma once

#include <cstddef>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace greenlane::fuzz {

class Mutator {
 public:
  explicit Mutator(std::uint64_t seed) : random_(seed) {}

  // Remembers words of this input for other inputs.
  void learn(std::string_view input);
  // Makes a few changes. Parts of `other` may be put in.
  [[nodiscard]] std::string mutate(std::string input, std::string_view other);
  // Returns a random number below `end`, which must not be 0.
  [[nodiscard]] std::size_t below(std::size_t end);

 private:
  void change(std::string& input, std::string_view other);
  void change_bytes(std::string& input);
  void change_word(std::string& input);
  void change_block(std::string& input, std::string_view other);

  std::mt19937_64 random_;
  std::vector<std::string> words_;
};

}  // namespace greenlane::fuzz
