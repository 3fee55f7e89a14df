// Lets engines on the same units run one at a time, so that their tenants get time in proportion to their weights.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace greenlane::runtime {

// Start-time fair queueing: the next turn goes to the tenant with the least time per weight. A tenant that had nothing
// to run begins where the others are, so it neither saves time up nor owes any. A run is never interrupted.
//
// Thread safety: all members may be called from any thread. end(), drop() and leave() may call a `wake`, so the caller
// must hold no lock that a `wake` takes.
class FairTurns {
 public:
  using Engine = std::size_t;

  // Adds an engine. `weight`: of its tenant. `wake`: called when a turn that the engine waits for is its own.
  [[nodiscard]] Engine add(const std::string& tenant, double weight, std::function<void()> wake);

  // Returns true if the turn is the engine's. Otherwise it waits for one: take() is to be called again when woken.
  [[nodiscard]] bool take(Engine engine);
  // Ends a turn. `has_more`: the engine waits for another one.
  void end(Engine engine, std::chrono::nanoseconds time, bool has_more);
  // The engine waits for no turn any more, and gives its turn up, unless its run has begun.
  void drop(Engine engine);
  // The engine takes no turns any more: take() is always true.
  void leave(Engine engine);

 private:
  struct Tenant {
    std::string name;
    double weight = 1;
    double used = 0;  // seconds per weight
  };
  struct Member {
    std::size_t tenant = 0;
    std::function<void()> wake;
    bool waits = false;
    bool has_left = false;
    double used = 0;  // seconds; among engines of one tenant, the one with the least is next
  };
  [[nodiscard]] bool is_active(std::size_t tenant) const;
  void wait(Engine engine);
  // Gives the free turn to the next engine. Returns what wakes it; empty: it is `from`, or nobody waits.
  [[nodiscard]] std::function<void()> pass_on(Engine from);

  std::mutex mutex_;  // guards the following members
  std::vector<Tenant> tenants_;
  std::vector<Member> members_;
  std::optional<Engine> holder_;
  double now_ = 0;  // what the tenant of the present turn had used when the turn began
};

}  // namespace greenlane::runtime
