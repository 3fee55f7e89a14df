#include "planner/division.hpp"

#include <algorithm>
#include <bit>

namespace greenlane::detail {

// Returns the better way to share. Gates win a tie, because urgent engines then need not wait for each other's whole
// requests.
BlockScores::Entry BlockScores::best(EngineSet block, Size size) {
  if (std::has_single_bit(block))
    return {.score = model_.predict(block, size, Sharing::alone), .sharing = Sharing::alone};
  const Entry queue{.score = model_.predict(block, size, Sharing::queue), .sharing = Sharing::queue};
  if (!model_.can_be_gated(block)) return queue;
  const Entry gated{.score = model_.predict(block, size, Sharing::gated), .sharing = Sharing::gated};
  return queue.score > gated.score ? queue : gated;
}

const BlockScores::Table& BlockScores::of(EngineSet block) {
  const auto [entry, is_new] = tables_.try_emplace(block);
  auto& table = entry->second;
  if (is_new) {
    table.plain.emplace_back();
    for (int groups = 1; groups <= problem_->groups(); ++groups) table.plain.push_back(best(block, {.groups = groups}));
    if (problem_->has_remainder()) {
      table.with_rest.resize(static_cast<std::size_t>(problem_->fewest_groups()));
      for (int groups = problem_->fewest_groups(); groups <= problem_->groups(); ++groups)
        table.with_rest.push_back(best(block, {.groups = groups, .is_rest = true}));
    }
  }
  return table;
}

SizeStack::SizeStack(BlockScores& scores) : scores_(&scores), levels_(scores.problem().engines() + 1) {
  const auto sizes = static_cast<std::size_t>(scores.problem().groups()) + 1;
  for (auto& level : levels_) level = {.plain = std::vector<State>(sizes), .with_rest = std::vector<State>(sizes)};
  levels_.front().plain.front().groups = 0;
}

void SizeStack::push(EngineSet block) {
  const auto& table = scores_->of(block);
  const Level& below = levels_[depth_];
  Level& level = levels_[++depth_];
  level.block = block;
  level.fits = false;
  const auto fewest = static_cast<std::size_t>(scores_->problem().fewest_groups());
  // The first of equals stays, so that the same request always gets the same plan.
  const auto offer = [&level](State& best, const State& before, const Score& score, std::size_t groups, bool rest) {
    const Score sum = before.score.with(score);
    if (best.groups >= 0 && !(sum > best.score)) return;
    best = {.score = sum, .groups = static_cast<int>(groups), .takes_rest = rest};
    level.fits = true;
  };
  for (std::size_t taken = 0; taken < level.plain.size(); ++taken) {
    auto& plain = level.plain[taken];
    auto& with_rest = level.with_rest[taken];
    plain.groups = with_rest.groups = -1;
    for (std::size_t groups = 0; groups <= taken; ++groups) {
      const auto& before = below.plain[taken - groups];
      const auto& before_with_rest = below.with_rest[taken - groups];
      if (groups > 0 && before.groups >= 0) offer(plain, before, table.plain[groups].score, groups, false);
      if (groups > 0 && before_with_rest.groups >= 0)
        offer(with_rest, before_with_rest, table.plain[groups].score, groups, false);
      if (!table.with_rest.empty() && groups >= fewest && before.groups >= 0)
        offer(with_rest, before, table.with_rest[groups].score, groups, true);
    }
  }
}

// Returns the best end. Groups may be left over, because more of them can be slower, but not beside a block that takes
// the rest.
SizeStack::End SizeStack::end() const {
  const auto& level = top();
  End end{.state = &level.with_rest.back(), .taken = level.with_rest.size() - 1, .with_rest = true};
  for (std::size_t taken = 0; taken < level.plain.size(); ++taken) {
    const auto& state = level.plain[taken];
    if (state.groups < 0) continue;
    if (end.state->groups < 0 || state.score > end.state->score) end = {&state, taken, false};
  }
  return end;
}

Score SizeStack::best() const { return end().state->score; }

Division SizeStack::best_division() const {
  const auto last = end();
  Division division{.score = last.state->score, .blocks = {}};
  const State* state = last.state;
  auto taken = last.taken;
  bool with_rest = last.with_rest;
  for (std::size_t depth = depth_;; --depth) {
    const Size size{.groups = state->groups, .is_rest = state->takes_rest};
    const auto& table = scores_->of(levels_[depth].block);
    const auto& entry = (size.is_rest ? table.with_rest : table.plain)[static_cast<std::size_t>(size.groups)];
    division.blocks.push_back({.engines = levels_[depth].block, .size = size, .sharing = entry.sharing});
    if (depth == 1) break;
    taken -= static_cast<std::size_t>(size.groups);
    with_rest = with_rest && !size.is_rest;
    state = &(with_rest ? levels_[depth - 1].with_rest : levels_[depth - 1].plain)[taken];
  }
  std::ranges::reverse(division.blocks);
  return division;
}

}  // namespace greenlane::detail
