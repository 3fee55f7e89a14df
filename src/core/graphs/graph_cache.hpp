// Which of an engine's calls are replayed from graphs. Knows neither CUDA nor PyTorch: what a graph is, and how one is
// captured, is its user's affair.
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

// A call of an engine, captured.
class ResidentGraph {
 public:
  virtual ~ResidentGraph() = default;
  // Replays once and waits: how long the device took.
  [[nodiscard]] virtual std::chrono::nanoseconds time() = 0;
};

// What a graph is good for: calls alike in all that is baked into it, in the place where it was captured.
struct GraphKey {
  std::uint64_t place = 0;              // Lane::place
  int units = 0;                        // of that place, for what is known of others like it
  std::vector<std::int64_t> signature;  // shapes, strides, dtypes, devices of the inputs, and what else is baked in
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
    std::shared_ptr<ResidentGraph> graph;  // where resident
    KernelTarget target;                   // for which its kernels were picked
    std::uint64_t replays = 0;
    std::string obstacle;         // why the last capture failed
    std::shared_ptr<void> notes;  // what the user of the cache knows of such calls
  };
  // Throws where the work cannot be captured, or the engine fails.
  using Capture = std::function<std::shared_ptr<ResidentGraph>(KernelTarget)>;

  // `owner` names the engine in warnings; `capacity` graphs are kept, those used last, and what is known of some more
  // keys.
  GraphCache(std::string owner, std::size_t capacity);

  // The entry of this key, made where there is none; it is the one used last now. Whoever holds it may go on with it
  // when the cache has dropped it.
  [[nodiscard]] std::shared_ptr<Entry> find(const GraphKey& key);

  // Captures for each of the targets, times them and keeps the fastest; for a key that was decided before, on as many
  // units, for that target alone. The first target must succeed, others may fail. Returns false where nothing was
  // captured: the entry is as it was, but for its obstacle.
  bool capture(Entry& entry, std::span<const KernelTarget> targets, const Capture& capture_for);
  // Such calls run eagerly from now on. Warns, once in the life of the cache.
  void refuse(Entry& entry);
  // That a call ran eagerly; once in the life of the cache.
  void warn_once(const std::string& why);

  // What was captured elsewhere. Gives what is to be freed, under no lock.
  [[nodiscard]] std::shared_ptr<void> drop_all_but(std::uint64_t place) noexcept;
  [[nodiscard]] std::shared_ptr<void> drop_all() noexcept;

  [[nodiscard]] const std::list<std::shared_ptr<Entry>>& entries() const noexcept { return entries_; }
  // Why one of those that were refused was; empty where none was.
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
  std::list<std::shared_ptr<Entry>> entries_;  // the one used last first
  std::vector<Decision> decisions_;
  bool warned_ = false;
};

}  // namespace greenlane::detail
