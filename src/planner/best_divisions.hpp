// The best divisions that a search has found so far.
#pragma once

#include "planner/division.hpp"

#include <cstddef>
#include <utility>
#include <vector>

namespace greenlane::detail {

// The best divisions of a search. Keeps each set of blocks once, with its best sizes, and the
// earlier of equal ones.
// Thread safety: none.
class BestDivisions {
 public:
  explicit BestDivisions(std::size_t count) : count_(count) {}
  // Returns true where a division of this score would be kept.
  [[nodiscard]] bool wants(const Score& score) const { return best_.size() < count_ || score > best_.back().score; }
  void add(Division division);
  // Returns the divisions, the best first. Called once.
  [[nodiscard]] std::vector<Division> take() { return std::move(best_); }

 private:
  std::size_t count_;
  std::vector<Division> best_;
};

}  // namespace greenlane::detail
