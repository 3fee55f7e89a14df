#include "runtime/edges/edge_runs.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace greenlane::runtime {

std::optional<Clock::time_point> EdgeRuns::due() const {
  const auto since = intake_->triggered();
  return since && outlet_->has_room() ? since : std::nullopt;
}

std::shared_ptr<const Payload> EdgeRuns::begin(const Intake::Inputs& inputs) const {
  std::vector<Feed> feeds;
  feeds.reserve(options_.feeds.size());
  for (const auto& feed : options_.feeds)
    feeds.push_back({.payload = inputs.values[feed.edge]->payload.get(), .output = feed.output});
  return engine_.workload().begin(feeds);
}

std::shared_ptr<const Payload> EdgeRuns::repeat_last() const {
  auto outputs = begin(last_.inputs);
  (void)engine_.workload().finish();
  return outputs;
}

EdgeRuns::Ran EdgeRuns::run_if_room(Clock::time_point arrival, Clock::time_point start) {
  if (!has_room()) return {.how = EdgeRun::blocked, .arrival = arrival, .start = start, .end = start};
  return run(arrival, start);
}

EdgeRuns::Ran EdgeRuns::run(Clock::time_point arrival, Clock::time_point start) {
  auto inputs = intake_->take();
  if (inputs.missing) {
    engine_.count_not_ready();
    return {.how = EdgeRun::not_ready, .arrival = arrival, .start = start, .end = start};
  }
  const auto oldest = inputs.items.oldest();
  if (oldest && options_.max_age && start - *oldest > *options_.max_age) {
    engine_.count_stale();
    return {.how = EdgeRun::stale, .arrival = arrival, .start = start, .end = start};
  }
  Outlet::Published published;
  ServedEngine::RunTimes times{.arrival = arrival, .start = start};
  auto [end, error] = engine_.run_triggered(times, [&] {
    published = outlet_->begin(begin(inputs), inputs.items, inputs.epoch);
    // A run is enqueued before the device begins with it.
    const auto span = engine_.workload().finish();
    times.end = span.ended;
    published.value->payload->note_done(span.ended);
    if (span.began) times.start = std::max(times.start, *span.began);
    for (const auto& value : inputs.values) times.arrival = std::max(times.arrival, value->payload->done_at());
    times.start = std::max(times.start, times.arrival);
  });
  Ran ran{.how = EdgeRun::failed, .arrival = times.arrival, .start = times.start, .end = end, .error = error};
  if (error) return ran;
  if (oldest) engine_.count_age(times.start - *oldest);
  for (const auto& path : options_.paths) path->add(inputs.items, end);
  outlet_->complete(published);
  ran.how = EdgeRun::done;
  ran.items = inputs.items;
  if (options_.keeps_last) last_ = {.inputs = std::move(inputs), .outputs = published.value->payload};
  return ran;
}

}  // namespace greenlane::runtime
