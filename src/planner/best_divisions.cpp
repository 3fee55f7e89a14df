#include "planner/best_divisions.hpp"

#include <algorithm>
#include <utility>

namespace greenlane::detail {

void BestDivisions::add(Division division) {
  const auto same = [&](const Division& other) {
    return std::ranges::equal(other.blocks, division.blocks, {}, &Block::engines, &Block::engines);
  };
  if (const auto found = std::ranges::find_if(best_, same); found != best_.end()) {
    if (!(division.score > found->score)) return;
    best_.erase(found);
  }
  const auto next = std::ranges::find_if(best_, [&](const auto& other) { return division.score > other.score; });
  best_.insert(next, std::move(division));
  if (best_.size() > count_) best_.pop_back();
}

}  // namespace greenlane::detail
