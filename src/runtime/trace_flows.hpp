// The ways of source items through a trace, which viewers draw as arrows.
#pragma once

#include <greenlane/detail/runtime/results.hpp>

#include <nlohmann/json.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <utility>
#include <vector>

namespace greenlane::runtime {

// Thread safety: none.
class TraceFlows {
 public:
  explicit TraceFlows(int process) : process_(process) {}
  // Notes that an item passes through the slice of this track that begins at `at`.
  void pass(const ItemName& item, int track, Nanoseconds at);
  // Writes an arrow from each place of an item to its next one.
  void write(const std::function<void(const nlohmann::json&)>& add_event) const;

 private:
  struct Place {
    Nanoseconds at;
    int track;
  };
  int process_;
  std::map<std::pair<std::size_t, std::uint64_t>, std::vector<Place>> places_;
};

}  // namespace greenlane::runtime
