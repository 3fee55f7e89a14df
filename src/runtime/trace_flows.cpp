#include "runtime/trace_flows.hpp"

#include "text/duration.hpp"

#include <algorithm>
#include <string>

namespace greenlane::runtime {

void TraceFlows::pass(const ItemName& item, int track, Nanoseconds at) {
  places_[{item.source, item.sequence}].push_back({.at = at, .track = track});
}

void TraceFlows::write(const std::function<void(const nlohmann::json&)>& add_event) const {
  for (auto [item, places] : places_) {
    if (places.size() < 2) continue;
    std::ranges::stable_sort(places, {}, &Place::at);
    // Identities are texts, so that no two processes share one.
    const auto id = std::to_string(process_) + "." + std::to_string(item.first) + "." + std::to_string(item.second);
    for (std::size_t i = 0; i < places.size(); ++i) {
      const bool is_last = i + 1 == places.size();
      nlohmann::json event{{"ph", i == 0 ? "s" : (is_last ? "f" : "t")},
                           {"name", "item " + std::to_string(item.second)},
                           {"cat", "item"},
                           {"id", id},
                           {"pid", process_},
                           {"tid", places[i].track},
                           {"ts", text::to_microseconds(places[i].at)}};
      if (is_last) event["bp"] = "e";
      add_event(event);
    }
  }
}

}  // namespace greenlane::runtime
