#include "runtime/edges/edge_runs.hpp"

#include <algorithm>

namespace greenlane::runtime {

std::optional<Clock::time_point> EdgeRuns::due() const {
  const auto since = intake_->triggered();
  return since && outlet_->has_room() ? since : std::nullopt;
}

EdgeRuns::Ran EdgeRuns::run(Clock::time_point arrival, Clock::time_point start) {
  const auto inputs = intake_->take();
  if (inputs.missing) {
    engine_.count_not_ready();
    return {.how = EdgeRun::not_ready, .end = start};
  }
  if (const auto oldest = inputs.items.oldest()) {
    const auto age = start - *oldest;
    if (options_.max_age && age > *options_.max_age) {
      engine_.count_stale();
      return {.how = EdgeRun::stale, .end = start};
    }
    engine_.count_age(age);
  }
  std::vector<Feed> feeds;
  feeds.reserve(options_.feeds.size());
  for (const auto& feed : options_.feeds)
    feeds.push_back({.payload = inputs.values[feed.edge]->payload.get(), .output = feed.output});
  std::shared_ptr<const Payload> outputs;
  auto [end, error] = engine_.run_triggered(arrival, [&] { outputs = engine_.workload().run(feeds); });
  if (error) return {.how = EdgeRun::failed, .end = end, .error = std::move(error)};
  for (const auto& path : options_.paths) path->add(inputs.items, end);
  outlet_->publish(std::move(outputs), inputs.items, inputs.epoch);
  return {.how = EdgeRun::done, .end = end};
}

}  // namespace greenlane::runtime
