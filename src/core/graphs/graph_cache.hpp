// The calls of an engine that are replayed from graphs. Independent of CUDA and PyTorch: the cache's user defines what
// a graph is and how it is captured.
#pragma once

#include "core/graphs/kernel_targets.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace greenlane::detail {

// A captured call of an engine.
class ResidentGraph {
 public:
  virtual ~ResidentGraph() = default;
  // Replays once and waits. Returns the device's time.
  [[nodiscard]] virtual std::chrono::nanoseconds time() = 0;
};

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
//
// The first call of a key runs as it is, so that libraries are loaded and an engine's own errors come out as they are.
// Thread safety: none; the engine's binding locks.
class GraphCache {
 public:
  enum class State { unseen, seen, resident, refused };
  struct Entry {
    GraphKey key;
    State state = State::unseen;
    std::shared_ptr<ResidentGraph> graph;  // if resident
    KernelTarget target;                   // the target that its kernels were picked for
    std::uint64_t replays = 0;
    std::string obstacle;         // why the last capture failed
    std::shared_ptr<void> notes;  // what the cache's user knows of such calls
  };
  // Throws if the work cannot be captured or the engine fails.
  using Capture = std::function<std::shared_ptr<ResidentGraph>(KernelTarget)>;

  // `owner` names the engine in warnings. The cache keeps the `capacity` most recently used graphs, and records of some
  // more keys.
  GraphCache(std::string owner, std::size_t capacity);

  // Returns the entry of this key, made if necessary, and marks it as the most recently used. A holder may go on using
  // an entry that the cache has dropped.
  [[nodiscard]] std::shared_ptr<Entry> find(const GraphKey& key);

  // Captures for each target, times the graphs and keeps the fastest. If a target was decided before for this signature
  // and number of units, only that target is captured. The first target must succeed; others may fail. Returns false if
  // nothing was captured; the entry is then unchanged except for its obstacle.
  bool capture(Entry& entry, std::span<const KernelTarget> targets, const Capture& capture_for);
  // Makes such calls run eagerly from now on. Warns once in the cache's life.
  void refuse(Entry& entry);
  // Warns that a call ran eagerly, once in the cache's life.
  void warn_once(const std::string& why);

  // Drop the entries of other unit sets, or all entries. Return what must be freed, under no lock.
  [[nodiscard]] std::shared_ptr<void> drop_all_but(UnitSetId unit_set) noexcept;
  [[nodiscard]] std::shared_ptr<void> drop_all() noexcept;

  [[nodiscard]] const std::list<std::shared_ptr<Entry>>& entries() const noexcept { return entries_; }
  // Returns the reason for one of the refusals; empty if there was none.
  [[nodiscard]] std::string obstacle() const;

 private:
  struct Decision {
    int units;
    std::vector<std::int64_t> signature;
    KernelTarget target;
  };
  void drop_oldest();
  [[nodiscard]] const Decision* decision_for(const GraphKey& key) const;

  std::string owner_;
  std::size_t capacity_;
  std::list<std::shared_ptr<Entry>> entries_;  // the most recently used first
  std::vector<Decision> decisions_;
  bool warned_ = false;
};

}  // namespace greenlane::detail
