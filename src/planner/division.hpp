// Divides the device's groups among given blocks of engines in the best way, block by block.
#pragma once

#include "planner/block.hpp"

#include <cstddef>
#include <unordered_map>
#include <vector>

namespace greenlane::detail {

// The engines on one partition.
struct Block {
  EngineSet engines = 0;
  Size size;
  Sharing sharing = Sharing::alone;
};

struct Division {
  Score score;
  std::vector<Block> blocks;
};

// The scores of sets of engines at each size, shared in the better way. Each is computed once.
class BlockScores {
 public:
  explicit BlockScores(const PlanProblem& problem) : problem_(&problem), model_(problem) {}

  struct Entry {
    Score score;
    Sharing sharing = Sharing::alone;
  };
  struct Table {
    std::vector<Entry> plain;  // by groups; the first entry means nothing
    // Entries by groups beside the remainder; those below the problem's fewest groups mean nothing. Empty where there
    // is no remainder.
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

// A stack of blocks. Each level has the best scores for every number of groups that its block and the blocks below it
// take together. Score::with keeps order, so these scores give the best division once the last block is there.
class SizeStack {
 public:
  explicit SizeStack(BlockScores& scores);

  void push(EngineSet block);
  void pop() { --depth_; }
  // Returns true where no division of these blocks fits the device.
  [[nodiscard]] bool is_hopeless() const { return !top().fits; }
  // Returns the best score. All engines must be on the stack, in at least two blocks, and is_hopeless() must be false.
  [[nodiscard]] Score best() const;
  [[nodiscard]] Division best_division() const;

 private:
  struct State {
    Score score;
    int groups = -1;  // of the last block; -1: impossible
    bool takes_rest = false;
  };
  struct Level {
    EngineSet block = 0;
    bool fits = true;
    // The best states by groups taken so far: without the remainder, and with the remainder in one of the blocks.
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
  std::vector<Level> levels_;  // the first one has no block
};

}  // namespace greenlane::detail
