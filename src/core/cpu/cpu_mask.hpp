// A set of CPUs in the kernel's form, of any size.
#pragma once

#include <sched.h>

#include <algorithm>
#include <cstddef>
#include <span>

namespace greenlane::detail {

class CpuMask {
 public:
  // Makes an empty set for CPUs below this number.
  explicit CpuMask(std::size_t cpus) : size_(CPU_ALLOC_SIZE(cpus)), set_(CPU_ALLOC(cpus)) { CPU_ZERO_S(size_, set_); }
  // Makes the set of these CPUs, at least one.
  explicit CpuMask(std::span<const int> cpus) : CpuMask(static_cast<std::size_t>(*std::ranges::max_element(cpus)) + 1) {
    for (const int cpu : cpus) CPU_SET_S(static_cast<std::size_t>(cpu), size_, set_);
  }
  ~CpuMask() { CPU_FREE(set_); }
  CpuMask(const CpuMask&) = delete;
  CpuMask& operator=(const CpuMask&) = delete;

  [[nodiscard]] bool has(int cpu) const { return CPU_ISSET_S(static_cast<std::size_t>(cpu), size_, set_); }
  [[nodiscard]] std::size_t size() const { return size_; }  // in bytes
  [[nodiscard]] cpu_set_t* get() const { return set_; }

 private:
  std::size_t size_;
  cpu_set_t* set_;
};

}  // namespace greenlane::detail
