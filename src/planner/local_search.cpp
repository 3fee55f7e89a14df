#include "planner/local_search.hpp"

#include "planner/best_divisions.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <optional>
#include <random>
#include <utility>

namespace greenlane::detail {
namespace {

// Sets of blocks that are looked at, in all starts together.
constexpr std::int64_t kFewestLooks = 2'000;
constexpr std::int64_t kMostLooks = 20'000;
constexpr std::int64_t kStepsPerLook = 5'000;  // a rough value for a dozen engines
constexpr int kRandomStarts = 6;

using Blocks = std::vector<EngineSet>;

// Drops empty blocks and sorts the others by their lowest engines, so that each set of blocks has one form.
void normalise(Blocks& blocks) {
  std::erase(blocks, EngineSet{0});
  std::ranges::sort(blocks, {}, [](EngineSet block) { return std::countr_zero(block); });
}

class LocalSearch {
 public:
  LocalSearch(const PlanProblem& problem, std::size_t count, std::int64_t most_steps)
      : problem_(&problem),
        most_looks_(std::clamp(most_steps / kStepsPerLook, kFewestLooks, kMostLooks)),
        scores_(problem),
        stack_(scores_),
        best_(count) {}

  void climb(Blocks blocks) {
    normalise(blocks);
    auto score = look(blocks);
    for (bool better = true; better;) {
      better = false;
      for (auto& next : neighbours(blocks)) {
        if (looks_ >= most_looks_) return;
        const auto next_score = look(next);
        if (!next_score || (score && !(*next_score > *score))) continue;
        score = next_score;
        blocks = std::move(next);
        better = true;
        break;
      }
    }
  }

  [[nodiscard]] std::vector<Division> take() { return best_.take(); }

 private:
  // Returns the score of the blocks. Absent where there are more blocks than the device has parts.
  std::optional<Score> look(const Blocks& blocks) {
    ++looks_;
    if (blocks.size() == 1) {
      const auto whole = scores_.on_whole_device(blocks.front());
      if (best_.wants(whole.score)) {
        best_.add({.score = whole.score,
                   .blocks = {{.engines = blocks.front(), .size = {.is_whole = true}, .sharing = whole.sharing}}});
      }
      return whole.score;
    }
    std::optional<Score> score;
    std::size_t pushed = 0;
    for (const auto block : blocks) {
      stack_.push(block);
      ++pushed;
      if (stack_.is_hopeless()) break;
    }
    if (!stack_.is_hopeless()) {
      score = stack_.best();
      if (best_.wants(*score)) best_.add(stack_.best_division());
    }
    for (; pushed > 0; --pushed) stack_.pop();
    return score;
  }

  // Returns the blocks with one engine moved elsewhere or alone, two blocks joined, or two engines exchanged.
  [[nodiscard]] std::vector<Blocks> neighbours(const Blocks& blocks) const {
    std::vector<Blocks> all;
    const auto add = [&all](Blocks next) {
      normalise(next);
      all.push_back(std::move(next));
    };
    const auto home = [&blocks](std::size_t engine) {
      return static_cast<std::size_t>(
          std::ranges::find_if(blocks, [&](EngineSet block) { return (block & only(engine)) != 0; }) - blocks.begin());
    };
    for (std::size_t engine = 0; engine < problem_->engines(); ++engine) {
      const auto from = home(engine);
      for (std::size_t to = 0; to <= blocks.size(); ++to) {
        if (to == from || (to == blocks.size() && std::has_single_bit(blocks[from]))) continue;
        Blocks next = blocks;
        next.push_back(0);
        next[from] &= ~only(engine);
        next[to] |= only(engine);
        add(std::move(next));
      }
    }
    for (std::size_t a = 0; a < blocks.size(); ++a) {
      for (std::size_t b = a + 1; b < blocks.size(); ++b) {
        Blocks next = blocks;
        next[a] |= std::exchange(next[b], 0);
        add(std::move(next));
      }
    }
    for (std::size_t one = 0; one < problem_->engines(); ++one) {
      for (std::size_t two = one + 1; two < problem_->engines(); ++two) {
        const auto a = home(one);
        const auto b = home(two);
        if (a == b || (std::has_single_bit(blocks[a]) && std::has_single_bit(blocks[b]))) continue;
        Blocks next = blocks;
        next[a] ^= only(one) | only(two);
        next[b] ^= only(one) | only(two);
        add(std::move(next));
      }
    }
    return all;
  }

  const PlanProblem* problem_;
  std::int64_t most_looks_;
  BlockScores scores_;
  SizeStack stack_;
  BestDivisions best_;
  std::int64_t looks_ = 0;
};

}  // namespace

std::vector<Division> search_locally(const PlanProblem& problem, std::size_t count, std::int64_t most_steps) {
  LocalSearch search(problem, count, most_steps);
  search.climb({problem.all()});
  // Starts from urgent engines alone and best effort together, and from all engines alone.
  Blocks urgent_alone{0};
  Blocks all_alone;
  for (std::size_t engine = 0; engine < problem.engines(); ++engine) {
    all_alone.push_back(only(engine));
    if (problem.engine(engine).urgent) {
      urgent_alone.push_back(only(engine));
    } else {
      urgent_alone.front() |= only(engine);
    }
  }
  search.climb(std::move(urgent_alone));
  search.climb(std::move(all_alone));
  std::mt19937_64 random(problem.engines());  // the same seed for the same request
  for (int start = 0; start < kRandomStarts; ++start) {
    Blocks blocks(2 + random() % 3);
    for (std::size_t engine = 0; engine < problem.engines(); ++engine) blocks[random() % blocks.size()] |= only(engine);
    search.climb(std::move(blocks));
  }
  return search.take();
}

}  // namespace greenlane::detail
