// Work for a GPU whose result shows whether every part of it ran once and in order.
#pragma once

#include "core/cuda/primary_context.hpp"

#include <greenlane/core/device.hpp>
#include <greenlane/core/graph.hpp>
#include <greenlane/core/lane.hpp>

#include <cstdint>
#include <memory>

namespace greenlane::stress {

// The map x -> factor * x + addend, modulo 2^32. Two maps do not commute, so that a changed order shows.
struct Affine {
  std::uint32_t factor = 1;
  std::uint32_t addend = 0;
  [[nodiscard]] Affine then(Affine next) const noexcept {
    return {.factor = next.factor * factor, .addend = next.factor * addend + next.addend};
  }
  [[nodiscard]] Affine power(std::uint64_t times) const noexcept;
  [[nodiscard]] std::uint32_t operator()(std::uint32_t x) const noexcept { return factor * x + addend; }
};

// The one kernel, on one device. It applies a map to each word a number of times.
// Thread safety: const members.
class Kernel {
 public:
  // Loads the kernel.
  // Throws: DriverError, and DeviceError where there is no driver.
  explicit Kernel(const Device& device);
  ~Kernel();
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;

  // Returns the context that every enqueueing thread must make current.
  [[nodiscard]] const detail::PrimaryContext& context() const noexcept { return context_; }
  void launch(StreamView stream, CUdeviceptr words, unsigned int count, std::uint32_t addend,
              unsigned int repeats) const;
  // Holds the stream until `function` returns.
  void call_host(StreamView stream, CUhostFn function, void* argument) const;

 private:
  const driver::Table& driver_;
  detail::PrimaryContext context_;
  CUmodule module_ = nullptr;
  CUfunction function_ = nullptr;
};

struct ChainShape {
  int kernels = 16;
  unsigned int words = 1U << 20U;  // a multiple of 256
  // Odd, so that the maps of two kernels do not commute. 255 repeats take some 20 us on an H200.
  unsigned int repeats = 255;
};

// A chain of kernels with memory of its own. Each kernel changes all of the memory in its own way. After any number of
// runs, the memory depends on every kernel that was launched, and on their order.
class Chain {
 public:
  Chain(std::shared_ptr<const Kernel> kernel, const ChainShape& shape);
  ~Chain();
  Chain(const Chain&) = delete;
  Chain& operator=(const Chain&) = delete;

  [[nodiscard]] Graph capture(const Lane& lane) const;
  // Checks the memory after this number of runs. The lane must be idle.
  // Throws: std::runtime_error where the memory is wrong.
  void check(std::uint64_t runs) const;

 private:
  std::shared_ptr<const Kernel> kernel_;
  ChainShape shape_;
  CUdeviceptr memory_ = 0;
};

}  // namespace greenlane::stress
