#include "runtime/serving/served_engine.hpp"

#include "runtime/serving/error_text.hpp"
#include "text/duration.hpp"

#include <greenlane/core/log.hpp>

#include <algorithm>
#include <atomic>
#include <future>
#include <mutex>
#include <thread>
#include <utility>

namespace greenlane::runtime {

using std::chrono::nanoseconds;

namespace {

std::exception_ptr request_error(const std::string& engine, const std::string& why, const std::string& remedy,
                                 RequestError::Reason reason) {
  return std::make_exception_ptr(
      RequestError({.what = "a request to engine '" + engine + "' was not run", .why = why, .remedy = remedy}, reason));
}

}  // namespace

struct ServedEngine::State {
  enum class Service { open, stopped, closed };

  State(std::shared_ptr<Workload> of_engine, ServingOptions chosen)
      : workload(std::move(of_engine)), options(std::move(chosen)), figures(Clock::now()) {}

  std::shared_ptr<Workload> workload;
  const ServingOptions options;
  Figures figures;
  std::atomic<Service> service{Service::open};
  std::atomic<bool> is_broken{false};
  std::atomic<bool> has_warned{false};  // of a failed run of its trigger
  mutable std::mutex mutex;             // guards `fault`
  std::string fault;                    // why it stopped
  // Of the present run; kept, so that a run allocates nothing. The engine's thread uses them.
  std::vector<Request*> running;
  std::vector<Work*> batch;

  [[nodiscard]] std::string why_stopped() const {
    const std::scoped_lock lock(mutex);
    return fault;
  }

  // Returns the error for a request that is not served; null while it serves.
  [[nodiscard]] std::exception_ptr refusal() const {
    switch (service.load(std::memory_order_acquire)) {
      case Service::open:
        return nullptr;
      case Service::closed:
        return request_error(options.name, "the pipeline is closed", "open it again", RequestError::Reason::closed);
      case Service::stopped:
        break;
    }
    return request_error(
        options.name, "the engine stopped: " + why_stopped(),
        is_broken ? "close the pipeline, and start the program again" : "close the pipeline and open it again",
        RequestError::Reason::stopped);
  }

  // Stops the engine for a reason. Returns false if it was stopped or closed before.
  bool stop(const std::string& why) {
    {
      const std::scoped_lock lock(mutex);
      if (!fault.empty()) return false;
      fault = why;
    }
    auto open = Service::open;
    return service.compare_exchange_strong(open, Service::stopped);
  }

  void report(Miss::Kind kind, nanoseconds latency, nanoseconds deadline) const {
    if (options.on_miss)
      options.on_miss({.engine = options.name, .kind = kind, .latency = latency, .deadline = deadline});
  }

  void served(Clock::time_point arrival, Clock::time_point start, Clock::time_point end,
              std::optional<nanoseconds> deadline) {
    const auto latency = end - arrival;
    const bool is_missed = deadline && latency > *deadline;
    figures.served(start - arrival, latency, end, is_missed);
    if (is_missed) report(Miss::Kind::late, latency, *deadline);
  }

  void failed(const std::exception_ptr& error) {
    figures.failed();
    if (options.stops_on_error) stop(text_of(error));
  }

  // Ends a request that close() finds in the queue.
  void cancel(Request& request) {
    const auto why = request_error(options.name, "the pipeline was closed", "", RequestError::Reason::cancelled);
    if (request.end_queued(why)) figures.cancelled();
  }

  // Ends a request that is not served any more, or whose deadline has passed. Returns false if it is to be run.
  bool end_unserved(Request& request, const std::exception_ptr& why, Clock::time_point now) {
    if (why) {
      if (service == Service::closed) {
        cancel(request);
      } else {
        (void)request.end_queued(why);
      }
      return true;
    }
    const auto& times = request.times();
    if (!times.drop_if_late || !request.is_late(now)) return false;
    const auto late =
        request_error(options.name, "its deadline passed before it began",
                      "submit fewer requests, or give the engine more units", RequestError::Reason::expired);
    if (!request.end_queued(late)) return true;
    figures.dropped();
    report(Miss::Kind::dropped, now - times.arrival, times.deadline.value_or(nanoseconds(0)));
    return true;
  }

  // Ends a request whose run is over.
  void end(Request& request, Clock::time_point start, Clock::time_point end, std::exception_ptr error) {
    if (request.has_ended()) return;  // given up: it took too long
    request.note_times(start, end);
    if (error) {
      failed(error);
    } else {
      served(request.times().arrival, start, end, request.times().deadline);
    }
    request.end(std::move(error));
  }

  void serve(const EngineThread::Requests& requests) {
    const auto start = Clock::now();
    const auto why = refusal();
    batch.clear();
    running.clear();
    for (const auto& request : requests) {
      if (end_unserved(*request, why, start) || !request->begin()) continue;
      running.push_back(request.get());
      batch.push_back(&request->work());
    }
    if (running.empty()) return;
    std::exception_ptr error;
    try {
      const auto rows = workload->run(batch);
      if (options.batches) count_batch(rows);
    } catch (...) {
      error = std::current_exception();
    }
    const auto now = Clock::now();
    if (options.tenant) options.tenant->count_run(now - start);
    for (auto* request : running) end(*request, start, now, error ? error : std::move(request->work().error));
  }

  // `rows`: of the run, with those that only filled it.
  void count_batch(std::int64_t rows) {
    std::int64_t asked = 0;
    for (const auto* request : running) asked += request->rows();
    figures.batch(static_cast<std::uint64_t>(asked), static_cast<std::uint64_t>(rows - asked));
  }
};

ServedEngine::ServedEngine(std::shared_ptr<Workload> workload, ServingOptions options)
    : state_(std::make_shared<State>(std::move(workload), std::move(options))),
      thread_(
          state_->options.name, [state = state_](const auto& requests) { state->serve(requests); },
          state_->options.batches) {}

ServedEngine::~ServedEngine() = default;

const std::string& ServedEngine::name() const noexcept { return state_->options.name; }
Workload& ServedEngine::workload() const noexcept { return *state_->workload; }
bool ServedEngine::is_serving() const noexcept {
  return state_->service.load(std::memory_order_acquire) == State::Service::open;
}

void ServedEngine::require_serving() const {
  if (const auto why = state_->refusal()) std::rethrow_exception(why);
}

void ServedEngine::run_if_serving(std::function<void()> task) {
  const UnderWay under_way(*this);
  require_serving();
  auto result = thread_.begin([state = state_, task = std::move(task)] {
    if (const auto why = state->refusal()) std::rethrow_exception(why);
    task();
  });
  while (result.wait_for(std::chrono::milliseconds(50)) != std::future_status::ready) require_serving();
  result.get();
}

std::shared_ptr<void> ServedEngine::admit(const RequestTimes& times) {
  if (thread_.queued() >= state_->options.capacity) refuse_full();
  const auto& tenant = state_->options.tenant;
  if (!tenant) return nullptr;
  try {
    return std::make_shared<Tenant::Place>(tenant->admit(times.arrival));
  } catch (const RequestError&) {
    state_->figures.rejected();
    throw;
  }
}

void ServedEngine::refuse_full() {
  require_serving();
  state_->figures.rejected();
  std::rethrow_exception(
      request_error(name(), std::to_string(state_->options.capacity) + " requests wait in its queue already",
                    "submit fewer, or raise `request_queue` of the engine", RequestError::Reason::queue_full));
}

std::shared_ptr<Request> ServedEngine::enqueue(std::unique_ptr<Work> work, RequestTimes times,
                                               std::shared_ptr<void> place) {
  if (!times.deadline) times.deadline = state_->options.deadline;
  auto request = std::make_shared<Request>(std::move(work), times);
  request->keep_until_begin(std::move(place));
  if (!thread_.push(request, state_->options.capacity)) refuse_full();
  // It may have come after refuse() or a hang emptied the queue.
  if (!is_serving() && request->end_queued(state_->refusal())) state_->figures.cancelled();
  return request;
}

bool ServedEngine::cancel(Request& request) {
  if (!request.end_queued(request_error(name(), "it was cancelled", "", RequestError::Reason::cancelled))) return false;
  thread_.forget(request);
  state_->figures.cancelled();
  return true;
}

void ServedEngine::count_call(bool is_done, Clock::time_point start) {
  if (is_done) {
    state_->served(start, start, Clock::now(), state_->options.deadline);
  } else {
    state_->figures.called();
  }
}

void ServedEngine::count_failure(const std::exception_ptr& error) { state_->failed(error); }

ServedEngine::Ran ServedEngine::run_triggered(RunTimes& times, const std::function<void()>& work) {
  try {
    work();
  } catch (...) {
    auto error = std::current_exception();
    state_->failed(error);
    // Nobody else gets the error of a run that no caller waits for.
    if (!state_->has_warned.exchange(true))
      warn("engine '" + name() + "' failed, in a run that its trigger made: " + text_of(error));
    return {.end = Clock::now(), .error = std::move(error)};
  }
  const auto end = times.end.value_or(Clock::now());
  // It has failed already, because it took too long.
  if (state_->is_broken) return {.end = end, .error = state_->refusal()};
  state_->served(times.arrival, times.start, end, state_->options.deadline);
  return {.end = end, .error = nullptr};
}

void ServedEngine::count_skipped(std::uint64_t ticks, nanoseconds waited) {
  state_->figures.skipped(ticks);
  if (state_->options.deadline) state_->report(Miss::Kind::skipped, waited, *state_->options.deadline);
}

void ServedEngine::count_not_ready() { state_->figures.not_ready(); }
void ServedEngine::count_stale() { state_->figures.stale(); }
void ServedEngine::count_age(nanoseconds age) { state_->figures.age(age); }

void ServedEngine::take_turns(std::shared_ptr<FairTurns> turns) {
  const auto& tenant = state_->options.tenant->options();
  thread_.take_turns(std::move(turns), tenant.name, tenant.weight);
}

const std::shared_ptr<Tenant>& ServedEngine::tenant() const noexcept { return state_->options.tenant; }

void ServedEngine::begin_figures() { state_->figures.begin(Clock::now()); }

void ServedEngine::fill(EngineStats& stats, Clock::time_point now) const {
  stats.name = state_->options.name;
  stats.deadline = state_->options.deadline;
  stats.figures = state_->figures.now(now);
  stats.queued = thread_.queued();
  stats.is_busy = thread_.busy_for(now) > nanoseconds(0);
  stats.error = state_->why_stopped();
}

bool ServedEngine::is_broken() const noexcept { return state_->is_broken; }

bool ServedEngine::break_if_hanging(Clock::time_point now) {
  if (state_->is_broken) return true;
  const auto busy = thread_.busy_for(now);
  if (busy <= state_->options.hang_after) return false;
  const auto current = thread_.under_way();
  state_->is_broken = true;
  const std::string why = "it hangs: a run has taken longer than " +
                          text::duration_text(text::to_microseconds(state_->options.hang_after)) + " (`hang_ms`)";
  (void)state_->stop(why);
  warn("engine '" + name() + "' hangs, and serves no more");
  const auto error = std::make_exception_ptr(
      EngineError({.what = "engine '" + name() + "' did not finish",
                   .why = why,
                   .remedy = "close the pipeline and start the program again; a kernel that runs cannot be ended"}));
  state_->figures.failed();
  thread_.leave_turns();
  for (const auto& request : current) request->end(error);
  for (const auto& request : thread_.take_queued()) request->end_queued(state_->refusal());
  return true;
}

void ServedEngine::refuse() {
  state_->service.store(State::Service::closed, std::memory_order_release);
  thread_.end_soon();
  for (const auto& request : thread_.take_queued()) state_->cancel(*request);
}

bool ServedEngine::close(Clock::time_point until) {
  const bool has_ended = thread_.close(until);
  while (calls_under_way_ > 0 && Clock::now() < until) std::this_thread::sleep_for(std::chrono::microseconds(100));
  if (has_ended) return calls_under_way_ == 0;
  thread_.leave_turns();
  for (const auto& request : thread_.under_way()) {
    request->end(std::make_exception_ptr(
        EngineError({.what = "engine '" + name() + "' did not finish",
                     .why = "it was still running when the pipeline was closed",
                     .remedy = "start the program again; a kernel that runs cannot be ended"})));
  }
  return false;
}

void ServedEngine::unload() noexcept { state_->workload.reset(); }

}  // namespace greenlane::runtime
