#include "runtime/serving/request_queue.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace greenlane::runtime {

using std::chrono::nanoseconds;

namespace {

// Returns the place of a request's priority: the smaller, the earlier. Requests without a priority come last.
std::uint32_t place_of(const Request& request) {
  const auto priority = request.times().priority;
  return priority == 0 ? std::numeric_limits<std::uint32_t>::max() : priority;
}

// Returns how long a request may wait whose run must begin within `slack`. The rest is for threads that wake up late,
// and for the way of the outputs to the caller.
nanoseconds longest_wait(nanoseconds slack) {
  return slack - std::min(slack / 4, nanoseconds(std::chrono::milliseconds(20)));
}

}  // namespace

void RequestQueue::push(std::shared_ptr<Request> request) {
  const auto place = place_of(*request);
  // Most requests have one priority, and go to the end.
  auto at = requests_.end();
  while (at != requests_.begin() && place_of(**std::prev(at)) > place) --at;
  requests_.insert(at, std::move(request));
}

std::size_t RequestQueue::fitting() const {
  if (!limits_) return std::min<std::size_t>(1, requests_.size());
  std::int64_t rows = 0;
  const auto end =
      std::ranges::find_if(requests_, [&](const auto& each) { return (rows += each->rows()) > limits_->rows; });
  // A request that is too long for any run is refused before it is queued.
  return std::max<std::size_t>(1, static_cast<std::size_t>(end - requests_.begin()));
}

std::optional<Clock::time_point> RequestQueue::due() const {
  if (requests_.empty()) return std::nullopt;
  if (!limits_ || limits_->delay.count() == 0) return Clock::time_point::min();
  const auto count = fitting();
  std::int64_t rows = 0;
  auto due = Clock::time_point::max();
  for (std::size_t i = 0; i < count; ++i) {
    const auto& request = *requests_[i];
    rows += request.rows();
    const auto& times = request.times();
    due = std::min(due, times.arrival + limits_->delay);
    if (!times.deadline) continue;
    due = run_ ? std::min(due, times.arrival + longest_wait(*times.deadline - *run_)) : Clock::time_point::min();
  }
  const bool is_full = rows >= limits_->rows || count < requests_.size();
  return is_full ? Clock::time_point::min() : due;
}

void RequestQueue::take(Requests& run) {
  const auto end = requests_.begin() + static_cast<std::ptrdiff_t>(fitting());
  run.assign(std::make_move_iterator(requests_.begin()), std::make_move_iterator(end));
  requests_.erase(requests_.begin(), end);
}

void RequestQueue::note_run(nanoseconds time) {
  // A quarter more than the longest of the last runs, which older ones fade from.
  const auto bound = time + time / 4;
  run_ = std::max(bound, run_.value_or(bound) - run_.value_or(bound) / 16);
}

std::shared_ptr<Request> RequestQueue::remove(const Request& request) {
  const auto found = std::ranges::find(requests_, &request, [](const auto& each) { return each.get(); });
  if (found == requests_.end()) return nullptr;
  auto removed = std::move(*found);
  requests_.erase(found);
  return removed;
}

RequestQueue::Requests RequestQueue::take_all() {
  Requests all(requests_.begin(), requests_.end());
  requests_.clear();
  return all;
}

}  // namespace greenlane::runtime
