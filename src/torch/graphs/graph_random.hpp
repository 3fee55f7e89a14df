// The random numbers of a graph.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <functional>
#include <optional>

namespace greenlane::detail {

// Returns a new generator of random numbers on this GPU.
[[nodiscard]] at::Generator new_generator(c10::DeviceIndex device, std::uint64_t seed);

// The seed and the offset of random numbers, in words on the device that belong to one graph, so that two lanes never
// share them. The kernels of the graph read them at each replay.
// Stream order: made on the current stream, which is the stream of the replays, or ordered before it.
class GraphRandom {
 public:
  explicit GraphRandom(c10::DeviceIndex device);

  // Returns true if every capture may use the words. With an older PyTorch (2.11), other threads cannot draw numbers
  // while a capture uses them.
  [[nodiscard]] static bool is_always_possible();
  // Returns true if captures may use the words now; see RandomCapturesAllowed.
  [[nodiscard]] static bool is_possible_now();

  // Calls `work`, which makes a part of the capture with this id; numbers of the device's default generator come from
  // the words.
  void capture(std::uint64_t capture_id, const std::function<void()>& work);
  // Writes the seed and the offset of `generator` to the words, on the current stream, for the next replay, and moves
  // the generator on, as the call itself would.
  // Thread safety: takes the generator's lock.
  void draw(at::Generator generator);
  // Returns true if the captured work draws numbers.
  [[nodiscard]] bool is_used() const noexcept { return increment_ != 0; }
  // The words, for the caching allocator.
  [[nodiscard]] const at::Tensor& words() const noexcept { return words_; }

 private:
  c10::DeviceIndex device_;
  at::Tensor words_;  // two int64: seed, offset
  at::Tensor seed_;
  at::Tensor offset_;
  std::optional<std::uint64_t> written_seed_;
  std::uint64_t increment_ = 0;
};

// A scope in which captures may use random numbers with every version of PyTorch, because the program does not serve
// yet. With PyTorch 2.11, a thread that draws numbers of this GPU while a capture uses them gets an error.
class RandomCapturesAllowed {
 public:
  RandomCapturesAllowed();
  ~RandomCapturesAllowed();
  RandomCapturesAllowed(const RandomCapturesAllowed&) = delete;
  RandomCapturesAllowed& operator=(const RandomCapturesAllowed&) = delete;
};

// Returns true if a capture failed because the work draws random numbers that the capture does not know.
[[nodiscard]] bool is_of_unknown_generator(const std::exception& error);

}  // namespace greenlane::detail
