// What an engine of the double is: a few lines of text.
//
//   blocks=2048         thread blocks of its kernel
//   hold=20000          nanoseconds that each of them stays on its SM
//   input=1             takes "x", float32[n], and gives "twice", float32[n]: 2 x, read and written at the end of the
//   hold alias=1             "twice" is written over "x" shape=1             takes "n", a shape tensor int64[1]: how
//   many blocks, instead of blocks= count=1             gives "count", int32[1]: how many calls of this context ended
//   before, and 1; wrong where two overlap aux=1               every other block runs on a stream of its own, joined by
//   events memory=100000000    bytes that a context owns profiles=1-8,9-64   optimization profiles: the least and the
//   greatest n of each
//
// Every engine gives "where", int32[blocks]: the SM that each block ran on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tensorrt_double {

struct EngineText {
  std::string text;
  std::int64_t blocks = 1;
  std::uint64_t hold = 0;
  bool input = false;
  bool alias = false;
  bool shape = false;
  bool count = false;
  bool aux = false;
  std::size_t memory = 0;
  std::vector<std::pair<std::int64_t, std::int64_t>> profiles;
};

// Nothing for what is no such text, as TensorRT gives no engine then.
[[nodiscard]] std::optional<EngineText> parse_engine(std::string_view text);

}  // namespace tensorrt_double
