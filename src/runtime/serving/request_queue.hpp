// The requests that wait for an engine, in the order in which they are to run.
#pragma once

#include "runtime/serving/request.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

namespace greenlane::runtime {

// The limits of runs that serve several requests.
struct BatchLimits {
  std::int64_t rows = 1;              // the most rows of a run
  std::chrono::nanoseconds delay{0};  // a request waits no longer for others
};

// Order: by priority, then by the time of the push.
// Thread safety: none.
class RequestQueue {
 public:
  using Requests = std::vector<std::shared_ptr<Request>>;

  // Absent limits: each request runs alone.
  explicit RequestQueue(std::optional<BatchLimits> limits) : limits_(limits) {}

  void push(std::shared_ptr<Request> request);
  [[nodiscard]] bool empty() const noexcept { return requests_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return requests_.size(); }
  [[nodiscard]] const Request& front() const { return *requests_.front(); }

  // Returns when the next run is to begin: at once if its rows are all there; else when its oldest request has waited
  // long enough, or when waiting longer would make one of them late. Absent: the queue is empty.
  [[nodiscard]] std::optional<Clock::time_point> due() const;
  // Takes the requests of the next run, at least one. Requires that the queue is not empty.
  void take(Requests& run);
  // Notes how long a run took, from which due() knows when to begin.
  void note_run(std::chrono::nanoseconds time);

  // Takes this request out, and returns it; null: it is not there.
  [[nodiscard]] std::shared_ptr<Request> remove(const Request& request);
  [[nodiscard]] Requests take_all();

 private:
  // Returns the number of requests in the next run.
  [[nodiscard]] std::size_t fitting() const;

  std::optional<BatchLimits> limits_;
  std::deque<std::shared_ptr<Request>> requests_;
  std::optional<std::chrono::nanoseconds> run_;  // how long a run may take; absent: unknown
};

}  // namespace greenlane::runtime
