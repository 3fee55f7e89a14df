// The calls of an engine that are replayed from graphs. Independent of CUDA and PyTorch: the cache's user defines what
// a graph is and how it is captured.
#pragma once

#include "core/graphs/kernel_targets.hpp"
#include "text/first_line.hpp"

#include <greenlane/core/log.hpp>
#include <greenlane/core/units.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace greenlane::detail {

// The calls that a graph is valid for: calls that agree in everything baked into the graph, on the units where it was
// captured.
struct GraphKey {
  UnitSetId unit_set{};
  int units = 0;  // of that set; decisions apply to other sets of the same size
  std::vector<std::int64_t>
      signature;  // shapes, strides, dtypes and devices of the inputs, and everything else that is baked in
  friend bool operator==(const GraphKey&, const GraphKey&) = default;
};

//   unseen --an eager call--> seen --capture--> resident --replay--> …
//                               |                               a capture failed, and the eager call after it did not:
//                               +------------------------------> refused
enum class GraphCallState { unseen, seen, resident, refused };

// measured: the graph that is kept is replayed a few times more, for its time.
enum class GraphTime { unknown, measured };

// `Graph` is a captured call of an engine. Its member `std::chrono::nanoseconds time()` replays once, waits, and
// returns the device's time. Its member `mean_time()` replays a few times back to back, waits, and returns the device's
// time for one replay: that of a short graph without the time of its launch. `Notes` holds the user's knowledge of the
// calls of one key. The first call of a key on a thread runs as it is, so that libraries are loaded and an engine's own
// errors come out as they are. Thread safety: none; the engine's binding locks.
template <typename Graph, typename Notes>
class GraphCache {
 public:
  using State = GraphCallState;
  struct Entry {
    GraphKey key;
    State state = State::unseen;
    std::unique_ptr<Graph> graph{};    // if resident
    KernelTarget target{};             // the target that its kernels were picked for
    std::chrono::nanoseconds time{0};  // of the device for one replay; 0: not measured
    std::uint64_t replays = 0;
    std::string obstacle{};  // why the last capture failed
    Notes notes{};
    std::vector<std::thread::id> eager_threads{};  // on which a call ran as it is

    // Returns true if a call on this thread must run as it is. Libraries such as cuDNN keep a handle per thread, which
    // they cannot make during a capture. After calls on many threads it is captured all the same, because a program
    // that makes a thread per call would never have a graph.
    [[nodiscard]] bool needs_eager_call() const {
      constexpr std::size_t kMostThreads = 8;
      if (state == State::unseen) return true;
      return state == State::seen && eager_threads.size() < kMostThreads &&
             std::ranges::find(eager_threads, std::this_thread::get_id()) == eager_threads.end();
    }
    // Notes a call that ran as it is on this thread.
    void note_eager_call() {
      state = State::seen;
      const auto here = std::this_thread::get_id();
      if (std::ranges::find(eager_threads, here) == eager_threads.end()) eager_threads.push_back(here);
    }
  };
  // Throws if the work cannot be captured or the engine fails.
  using Capture = std::function<std::unique_ptr<Graph>(KernelTarget)>;

  // `owner` names the engine in warnings. The cache keeps the `capacity` most recently used graphs, and records of some
  // more keys.
  GraphCache(std::string owner, std::size_t capacity) : owner_(std::move(owner)), capacity_(capacity) {}

  // Returns the entry of this key, made if necessary, and marks it as the most recently used. A holder may go on using
  // an entry that the cache has dropped.
  [[nodiscard]] std::shared_ptr<Entry> find(const GraphKey& key);

  // Captures for each target, times the graphs and keeps the fastest. If a target was decided before for this signature
  // and number of units, only that target is captured, and its time is the one that was measured then. The first target
  // must succeed; others may fail. Returns false if nothing was captured; the entry is then unchanged except for its
  // obstacle.
  bool capture(Entry& entry, std::span<const KernelTarget> targets, const Capture& capture_for,
               GraphTime time = GraphTime::unknown);
  // Makes such calls run eagerly from now on. Warns once in the cache's life.
  void refuse(Entry& entry) {
    entry.state = State::refused;
    warn_once(entry.obstacle);
  }
  // Warns that a call ran eagerly, once in the cache's life.
  void warn_once(const std::string& why) {
    if (!std::exchange(warned_, true)) warn("engine '" + owner_ + "' runs without a CUDA graph: " + why);
  }

  // Drop the entries that a predicate of their keys names, those of other unit sets, or all entries. Return what must
  // be freed, under no lock.
  template <typename Predicate>
  [[nodiscard]] std::shared_ptr<void> drop_if(const Predicate& is_dropped);
  [[nodiscard]] std::shared_ptr<void> drop_all_but(UnitSetId unit_set) {
    return drop_if([&](const GraphKey& key) { return key.unit_set != unit_set; });
  }
  [[nodiscard]] std::shared_ptr<void> drop_all() noexcept {
    return std::make_shared<Entries>(std::exchange(entries_, {}));
  }

  using Entries = std::list<std::shared_ptr<Entry>>;
  [[nodiscard]] const Entries& entries() const noexcept { return entries_; }
  // Returns the reason for one of the refusals; empty if there was none.
  [[nodiscard]] std::string obstacle() const;

 private:
  struct Decision {
    int units;
    std::vector<std::int64_t> signature;
    KernelTarget target;
    std::chrono::nanoseconds time;
  };
  struct Candidate {
    KernelTarget target;
    std::unique_ptr<Graph> graph;
    std::chrono::nanoseconds best = std::chrono::nanoseconds::max();
  };
  // Times the candidates in turns, so that a neighbour that comes or goes disturbs all of them alike.
  [[nodiscard]] static Candidate& fastest(std::vector<Candidate>& candidates);
  // Returns the mean time of a replay; 0 if it could not be measured, which is no reason to go without the graph.
  [[nodiscard]] static std::chrono::nanoseconds time_of(Graph& graph) noexcept {
    try {
      return graph.mean_time();
    } catch (const std::exception&) {
      return std::chrono::nanoseconds(0);
    }
  }
  void drop_oldest();
  [[nodiscard]] const Decision* decision_for(const GraphKey& key) const;

  std::string owner_;
  std::size_t capacity_;
  Entries entries_;  // the most recently used first
  std::vector<Decision> decisions_;
  bool warned_ = false;
};

template <typename Graph, typename Notes>
auto GraphCache<Graph, Notes>::fastest(std::vector<Candidate>& candidates) -> Candidate& {
  // The shortest of several times counts, because other work on the device can only add time.
  constexpr int kRounds = 7;
  // Kernels for the whole device are kept unless others are faster by more than the noise of the timings.
  constexpr double kWorthIt = 0.98;
  if (candidates.size() == 1) return candidates.front();
  for (int round = 0; round < kRounds; ++round) {
    for (auto& candidate : candidates) candidate.best = std::min(candidate.best, candidate.graph->time());
  }
  auto& untold = candidates.front();
  auto& best = *std::ranges::min_element(candidates, {}, &Candidate::best);
  const bool worth_it = static_cast<double>(best.best.count()) < kWorthIt * static_cast<double>(untold.best.count());
  return worth_it ? best : untold;
}

template <typename Graph, typename Notes>
auto GraphCache<Graph, Notes>::find(const GraphKey& key) -> std::shared_ptr<Entry> {
  constexpr std::size_t kMostEntries = 64;  // of keys that were called at least once
  const auto found = std::ranges::find(entries_, key, [](const auto& entry) -> const GraphKey& { return entry->key; });
  if (found != entries_.end()) {
    entries_.splice(entries_.begin(), entries_, found);
    return entries_.front();
  }
  entries_.push_front(std::make_shared<Entry>(Entry{.key = key}));
  if (entries_.size() > std::max(kMostEntries, capacity_)) entries_.pop_back();
  return entries_.front();
}

template <typename Graph, typename Notes>
auto GraphCache<Graph, Notes>::decision_for(const GraphKey& key) const -> const Decision* {
  const auto found = std::ranges::find_if(decisions_, [&](const Decision& decision) {
    return decision.units == key.units && decision.signature == key.signature;
  });
  return found == decisions_.end() ? nullptr : &*found;
}

template <typename Graph, typename Notes>
bool GraphCache<Graph, Notes>::capture(Entry& entry, std::span<const KernelTarget> targets, const Capture& capture_for,
                                       GraphTime time) {
  // Enough for any engine. Beyond it, calls have ever new shapes, and timing anew costs less than memory.
  constexpr std::size_t kMostDecisions = 256;
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
    auto mean_time = decided ? decided->time : std::chrono::nanoseconds(0);
    if (!decided && time == GraphTime::measured) mean_time = time_of(*best.graph);
    entry.time = mean_time;
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
    decisions_.push_back(
        {.units = entry.key.units, .signature = entry.key.signature, .target = entry.target, .time = entry.time});
  }
  return true;
}

template <typename Graph, typename Notes>
void GraphCache<Graph, Notes>::drop_oldest() {
  std::size_t resident = 0;
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const auto next = std::next(entry);
    if ((*entry)->state == State::resident && ++resident > capacity_) entries_.erase(entry);
    entry = next;
  }
}

template <typename Graph, typename Notes>
std::string GraphCache<Graph, Notes>::obstacle() const {
  const auto refused = std::ranges::find(entries_, State::refused, [](const auto& entry) { return entry->state; });
  return refused == entries_.end() ? std::string() : (*refused)->obstacle;
}

template <typename Graph, typename Notes>
template <typename Predicate>
std::shared_ptr<void> GraphCache<Graph, Notes>::drop_if(const Predicate& is_dropped) {
  auto dropped = std::make_shared<Entries>();
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const auto next = std::next(entry);
    if (is_dropped((*entry)->key)) dropped->splice(dropped->end(), entries_, entry);
    entry = next;
  }
  return dropped;
}

}  // namespace greenlane::detail
