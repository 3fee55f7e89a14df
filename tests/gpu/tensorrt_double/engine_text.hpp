// The text that makes up an engine of the double. Each line is one of these:
//
//   blocks=2048: thread blocks of its kernel
//   hold=20000: nanoseconds that each block stays on its SM
//   kernels=24: kernels of one call, one after another, each of which does the whole work. After a change of shape, an
//   engine of several must be called before it is captured, as TensorRT's documentation asks
//   input=1: takes "x", float32[n], and gives "twice", float32[n]: 2 x, read and written at the end of the hold
//   alias=1: "twice" is written over "x"
//   shape=1: takes "n", a shape tensor int64[1]: the number of blocks, instead of blocks=
//   count=1: gives "count", int32[1]: 1 plus the calls of this context that ended before; wrong if two calls overlap
//   aux=1: every other block runs on a stream of its own, joined by events
//   memory=100000000: bytes that a context owns
//   layers=140234: the address of a function void(CUstream) of the test, which enqueues kernels ahead of the engine's
//   own, as layers would. Such an engine, too, must be called before it is captured
//   profiles=1-8,9-64: optimization profiles: the least and the greatest n of each
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
  std::int64_t kernels = 1;
  bool input = false;
  bool alias = false;
  bool shape = false;
  bool count = false;
  bool aux = false;
  std::size_t memory = 0;
  std::uintptr_t layers = 0;
  std::vector<std::pair<std::int64_t, std::int64_t>> profiles;
};

// Returns nothing if the text is not valid; TensorRT gives no engine either then.
[[nodiscard]] std::optional<EngineText> parse_engine(std::string_view text);

}  // namespace tensorrt_double
