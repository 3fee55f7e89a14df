// The best divisions that a search has found so far.
#pragma once

#include "planner/division.hpp"

#include <cstddef>
#include <utility>
#include <vector>

namespace greenlane::detail {

// Keeps the best divisions. Keeps each set of blocks once, and of equal ones the earlier. Thread safety: none.
class BestDivisions {
 public:
  explicit BestDivisions(std::size_t count) : count_(count) {}
  // Returns whether a division of this score would be kept.
  [[nodiscard]] bool wants(const Score& score) const { return best_.size() < count_ || score > best_.back().score; }
  void add(Division division);
  // The best first. Once.
  [[nodiscard]] std::vector<Division> take() { return std::move(best_); }

 private:
  std::size_t count_;
  std::vector<Division> best_;
};

}  // namespace greenlane::detail
