// Sizes for blocks of engines: the best way to divide the device's groups among given sets, set by set.
#pragma once

#include "planner/block.hpp"

#include <cstddef>
#include <unordered_map>
#include <vector>

namespace greenlane::detail {

// Engines on one partition.
struct Block {
  EngineSet engines = 0;
  Size size;
  Sharing sharing = Sharing::alone;
};

struct Division {
  Score score;
  std::vector<Block> blocks;
};

// What a set of engines is worth at each size, shared in the better way. Computed once.
class BlockScores {
 public:
  explicit BlockScores(const PlanProblem& problem) : problem_(&problem), model_(problem) {}

  struct Entry {
    Score score;
    Sharing sharing = Sharing::alone;
  };
  struct Table {
    std::vector<Entry> plain;  // by groups; the first means nothing
    // By groups beside the remainder; what is below the problem's fewest groups means nothing. Empty where there is no
    // remainder.
    std::vector<Entry> with_rest;
  };
  [[nodiscard]] const Table& of(EngineSet block);
  [[nodiscard]] Entry on_whole_device(EngineSet all) { return best(all, {.is_whole = true}); }
  [[nodiscard]] const PlanProblem& problem() const noexcept { return *problem_; }

 private:
  [[nodiscard]] Entry best(EngineSet block, Size size);

  const PlanProblem* problem_;
  BlockModel model_;
  std::unordered_map<EngineSet, Table> tables_;
};

// A stack of blocks, each with the best scores for every number of groups that it and those below it take together.
// That is enough to know the best division once the last block is there: Score::with keeps order.
class SizeStack {
 public:
  explicit SizeStack(BlockScores& scores);

  void push(EngineSet block);
  void pop() { --depth_; }
  // No division of these blocks fits the device.
  [[nodiscard]] bool is_hopeless() const { return !top().fits; }
  // With all engines on the stack and at least two blocks; not when it is hopeless.
  [[nodiscard]] Score best() const;
  [[nodiscard]] Division best_division() const;

 private:
  struct State {
    Score score;
    int groups = -1;  // of the last block; -1: cannot be
    bool takes_rest = false;
  };
  struct Level {
    EngineSet block = 0;
    bool fits = true;
    // By groups taken so far: without the remainder, and with it in one of the blocks.
    std::vector<State> plain;
    std::vector<State> with_rest;
  };
  [[nodiscard]] const Level& top() const { return levels_[depth_]; }
  struct End {
    const State* state;
    std::size_t taken;
    bool with_rest;
  };
  [[nodiscard]] End end() const;

  BlockScores* scores_;
  std::size_t depth_ = 0;
  std::vector<Level> levels_;  // one below the first block
};

}  // namespace greenlane::detail
