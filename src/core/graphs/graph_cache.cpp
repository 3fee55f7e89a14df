#include "core/graphs/graph_cache.hpp"

#include "text/first_line.hpp"

#include <greenlane/core/log.hpp>

#include <algorithm>
#include <utility>

namespace greenlane::detail {
namespace {

using std::chrono::nanoseconds;

// The shortest of several times counts, because other work on the device can only add time.
constexpr int kRounds = 7;
// Kernels for the whole device are kept unless others are faster by more than the noise of the timings.
constexpr double kWorthIt = 0.98;
// Entries of keys that were called at least once.
constexpr std::size_t kMostEntries = 64;
// Enough for any engine. Beyond it, calls have ever new shapes, and timing anew costs less than memory.
constexpr std::size_t kMostDecisions = 256;

struct Candidate {
  KernelTarget target;
  std::shared_ptr<ResidentGraph> graph;
  nanoseconds best = nanoseconds::max();
};

// Times the candidates in turns, so that a neighbour that comes or goes disturbs all of them alike.
Candidate& fastest(std::vector<Candidate>& candidates) {
  if (candidates.size() == 1) return candidates.front();
  for (int round = 0; round < kRounds; ++round) {
    for (auto& candidate : candidates) candidate.best = std::min(candidate.best, candidate.graph->time());
  }
  auto& untold = candidates.front();
  auto& best = *std::ranges::min_element(candidates, {}, &Candidate::best);
  const bool worth_it = static_cast<double>(best.best.count()) < kWorthIt * static_cast<double>(untold.best.count());
  return worth_it ? best : untold;
}

}  // namespace

GraphCache::GraphCache(std::string owner, std::size_t capacity) : owner_(std::move(owner)), capacity_(capacity) {}

std::shared_ptr<GraphCache::Entry> GraphCache::find(const GraphKey& key) {
  const auto found = std::ranges::find(entries_, key, [](const auto& entry) -> const GraphKey& { return entry->key; });
  if (found != entries_.end()) {
    entries_.splice(entries_.begin(), entries_, found);
    return entries_.front();
  }
  entries_.push_front(
      std::make_shared<Entry>(Entry{.key = key, .graph = {}, .target = {}, .obstacle = {}, .notes = {}}));
  if (entries_.size() > std::max(kMostEntries, capacity_)) entries_.pop_back();
  return entries_.front();
}

const GraphCache::Decision* GraphCache::decision_for(const GraphKey& key) const {
  const auto found = std::ranges::find_if(decisions_, [&](const Decision& decision) {
    return decision.units == key.units && decision.signature == key.signature;
  });
  return found == decisions_.end() ? nullptr : &*found;
}

bool GraphCache::capture(Entry& entry, std::span<const KernelTarget> targets, const Capture& capture_for) {
  const auto* const decided = decision_for(entry.key);
  if (decided) targets = {&decided->target, 1};
  std::vector<Candidate> candidates;
  for (const auto& target : targets) {
    try {
      candidates.push_back({.target = target, .graph = capture_for(target)});
    } catch (const std::exception& error) {
      entry.obstacle = text::first_line(error.what());
      if (candidates.empty()) return false;
    }
  }
  try {
    auto& best = fastest(candidates);
    entry.graph = std::move(best.graph);
    entry.target = best.target;
  } catch (const std::exception& error) {
    entry.obstacle = text::first_line(error.what());
    return false;
  }
  entry.state = State::resident;
  entry.obstacle.clear();
  drop_oldest();
  if (!decided) {
    if (decisions_.size() >= kMostDecisions) decisions_.clear();
    decisions_.push_back({.units = entry.key.units, .signature = entry.key.signature, .target = entry.target});
  }
  return true;
}

void GraphCache::refuse(Entry& entry) {
  entry.state = State::refused;
  warn_once(entry.obstacle);
}

void GraphCache::warn_once(const std::string& why) {
  if (std::exchange(warned_, true)) return;
  warn("engine '" + owner_ + "' runs without a CUDA graph: " + why);
}

void GraphCache::drop_oldest() {
  std::size_t resident = 0;
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const auto next = std::next(entry);
    if ((*entry)->state == State::resident && ++resident > capacity_) entries_.erase(entry);
    entry = next;
  }
}

std::string GraphCache::obstacle() const {
  const auto refused = std::ranges::find(entries_, State::refused, [](const auto& entry) { return entry->state; });
  return refused == entries_.end() ? std::string() : (*refused)->obstacle;
}

std::shared_ptr<void> GraphCache::drop_all_but(UnitSetId unit_set) noexcept {
  auto dropped = std::make_shared<std::list<std::shared_ptr<Entry>>>();
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const auto next = std::next(entry);
    if ((*entry)->key.unit_set != unit_set) dropped->splice(dropped->end(), entries_, entry);
    entry = next;
  }
  return dropped;
}

std::shared_ptr<void> GraphCache::drop_all() noexcept {
  return std::make_shared<std::list<std::shared_ptr<Entry>>>(std::exchange(entries_, {}));
}

}  // namespace greenlane::detail
