#include "runtime/trace_flows.hpp"

#include "text/duration.hpp"

#include <algorithm>
#include <string>
#include <utility>

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
      std::string phase = is_last ? "f" : "t";
      if (i == 0) phase = "s";
      nlohmann::json event{{"ph", std::move(phase)},
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
