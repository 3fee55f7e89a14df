#include "runtime/serving/engine_thread.hpp"

#include <pthread.h>
#include <sys/prctl.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <future>
#include <mutex>
#include <optional>
#include <system_error>
#include <utility>

namespace greenlane::runtime {

using std::chrono::nanoseconds;

namespace {

// Longer than a thread takes to wake up, and than a caller takes to copy inputs.
constexpr auto kWatch = std::chrono::microseconds(200);
// Longer than a caller takes to see the end of its request and to submit the next one.
constexpr auto kLinger = std::chrono::microseconds(100);
constexpr auto kNever = Clock::time_point::max();

}  // namespace

struct EngineThread::State {
  explicit State(std::optional<BatchLimits> batches) : requests(batches) {}

  // While it waits, the thread spins between these times, because waking up would take too long.
  struct Window {
    Clock::time_point from{};
    Clock::time_point until{};
  };

  std::function<void(const Requests&)> serve;
  std::atomic<Clock::rep> busy_since{0};  // zero: not busy
  std::atomic<std::uint32_t> signals{0};  // number of changes; read by a spinning thread
  mutable std::mutex mutex;               // guards the following members
  std::condition_variable changed;        // wakes the thread
  std::condition_variable settled;        // wakes those that wait for the thread
  std::deque<std::packaged_task<void()>> tasks;
  RequestQueue requests;
  Requests current;
  std::shared_ptr<FairTurns> turns;  // null: it runs whenever it can; set once, before requests come
  FairTurns::Engine in_turns = 0;
  bool wants_turn = false;  // it waits for a turn, or has one
  std::shared_ptr<Trigger> trigger;
  nanoseconds spin{0};
  bool expects_requests = false;
  std::optional<nanoseconds> period;  // of the requests; absent: not known
  Window watch;                       // around the time at which the next request is likely
  Window linger;                      // after a request
  bool triggered = false;             // a run of the trigger is under way, or its time is being asked
  bool is_closing = false;
  bool has_ended = false;

  // The next thing to do. All members are empty when the thread is to end.
  struct Step {
    std::packaged_task<void()> task;
    bool serves = false;  // the current requests
    std::shared_ptr<Trigger> trigger;
    Clock::time_point start;
  };

  void signal(std::unique_lock<std::mutex> lock) {
    signals.fetch_add(1, std::memory_order_release);
    lock.unlock();
    changed.notify_one();
  }

  // Waits for the next thing to do, and takes it.
  Step next() {
    std::unique_lock lock(mutex);
    while (true) {
      if (!tasks.empty()) {
        Step step{.task = std::move(tasks.front()), .trigger = {}, .start = {}};
        tasks.pop_front();
        return step;
      }
      if (is_closing) return {};
      auto due = time_of_trigger();
      if (due == kNotYet) due.reset();
      const auto now = Clock::now();
      const auto run_due = requests.due();
      const bool can_run = run_due && *run_due <= now;
      if (can_run && (!due || *due > now || requests.front().times().arrival <= *due) && takes_turn())
        return take_requests(now);
      if (due && *due <= now) return take_trigger(now, *due);
      if (!can_run && wants_turn) {
        drop_turn(lock);
        continue;
      }
      if (wait(lock, due, can_run ? kNever : run_due.value_or(kNever), now) && due)
        return take_trigger(Clock::now(), *due);
    }
  }

  // Returns true if a run may begin as far as other engines are concerned. Requires the lock.
  bool takes_turn() {
    if (!turns) return true;
    wants_turn = true;
    return turns->take(in_turns);
  }

  // Requires the lock, and gives it up for a while.
  void drop_turn(std::unique_lock<std::mutex>& lock) {
    wants_turn = false;
    lock.unlock();
    turns->drop(in_turns);
    lock.lock();
  }

  // Requires the lock, and gives it up.
  void end_turn(std::unique_lock<std::mutex> lock, nanoseconds time) {
    const auto due = requests.due();
    wants_turn = due && *due <= Clock::now();
    lock.unlock();
    turns->end(in_turns, time, wants_turn);
  }

  Step take_requests(Clock::time_point now) {
    requests.take(current);
    watch_for_next(current.back()->times().arrival);
    return {.task = {}, .serves = true, .trigger = {}, .start = now};
  }

  // Spins around the time at which the next request or data is likely.
  void watch_for_next(Clock::time_point arrival) {
    if (!period) return;
    const auto likely = arrival + *period;
    watch = {.from = likely - kWatch, .until = likely + kWatch};
  }

  Step take_trigger(Clock::time_point now, Clock::time_point due) {
    triggered = true;
    if (follows_data()) watch_for_next(due);
    return {.task = {}, .trigger = trigger, .start = now};
  }

  // Waits until the trigger is due, the requests of a run are, or something changes. Requires the lock. Returns true if
  // the trigger is due and nothing has changed.
  bool wait(std::unique_lock<std::mutex>& lock, std::optional<Clock::time_point> due, Clock::time_point run_due,
            Clock::time_point now) {
    const auto tick = due ? Window{.from = *due - spin, .until = *due} : Window{};
    auto sleep_until = run_due;
    auto spin_until = kNever;
    for (const auto& window : {tick, watch, linger}) {
      if (now >= window.until) continue;
      auto& end = now < window.from ? sleep_until : spin_until;
      end = std::min(end, now < window.from ? window.from : window.until);
    }
    if (spin_until == kNever) {
      if (sleep_until == kNever) {
        changed.wait(lock);
      } else {
        changed.wait_until(lock, sleep_until);
      }
      return false;
    }
    spin_until = std::min({spin_until, due.value_or(kNever), run_due});
    const auto seen = signals.load(std::memory_order_acquire);
    lock.unlock();
    while (Clock::now() < spin_until && signals.load(std::memory_order_acquire) == seen) continue;
    lock.lock();
    return due && spin_until == *due && signals.load(std::memory_order_relaxed) == seen;
  }

  // Returns the time of the trigger's next run, and drops a trigger that has ended. Requires the lock.
  std::optional<Clock::time_point> time_of_trigger() {
    if (!trigger) return std::nullopt;
    auto due = trigger->next();
    if (!due) {
      trigger.reset();
      settled.notify_all();
    }
    return due;
  }

  // Returns true if the trigger has no times of its own. Data comes like requests then.
  [[nodiscard]] bool follows_data() const { return trigger && spin == nanoseconds(0) && expects_requests; }

  void done(Clock::time_point start) {
    busy_since.store(0, std::memory_order_relaxed);
    std::unique_lock lock(mutex);
    const auto now = Clock::now();
    if ((!current.empty() && expects_requests) || (triggered && follows_data()))
      linger = {.from = now, .until = now + kLinger};
    const bool has_served = !current.empty();
    if (has_served) requests.note_run(now - start);
    current.clear();
    triggered = false;
    settled.notify_all();
    if (turns && has_served) end_turn(std::move(lock), now - start);
  }
};

EngineThread::EngineThread(std::string name, std::function<void(const Requests&)> serve,
                           std::optional<BatchLimits> batches)
    : name_(std::move(name)), state_(std::make_shared<State>(batches)) {
  state_->serve = std::move(serve);
  try {
    thread_ = std::thread([state = state_] { loop(state); });
  } catch (const std::system_error& error) {
    throw DeviceError({.what = "engine '" + name_ + "' has no thread",
                       .why = error.what(),
                       .remedy = "raise the limits of threads and of memory of this process, or free memory"});
  }
  pthread_setname_np(thread_.native_handle(), ("gl-" + name_).substr(0, 15).c_str());
}

EngineThread::~EngineThread() { close(Clock::time_point::max()); }

void EngineThread::loop(const std::shared_ptr<State>& state) {
  // Linux delays the end of a thread's sleep by up to 50 us to save power, unless it is told not to.
  prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
  while (true) {
    auto step = state->next();
    if (step.task.valid()) {
      step.task();
      continue;
    }
    if (!step.serves && !step.trigger) break;
    state->busy_since.store(step.start.time_since_epoch().count(), std::memory_order_relaxed);
    if (step.serves) {
      state->serve(state->current);
    } else {
      step.trigger->run(step.start);
    }
    state->done(step.start);
  }
  if (state->turns) state->turns->leave(state->in_turns);
  const std::scoped_lock lock(state->mutex);
  state->trigger.reset();
  state->has_ended = true;
  state->settled.notify_all();
}

std::future<void> EngineThread::begin(std::function<void()> task) {
  origin_.require_here("engine '" + name_ + "'");
  std::packaged_task<void()> packaged(std::move(task));
  auto result = packaged.get_future();
  std::unique_lock lock(state_->mutex);
  if (state_->is_closing)
    throw RequestError({.what = "engine '" + name_ + "' does not run", .why = "it is closed", .remedy = ""},
                       RequestError::Reason::closed);
  state_->tasks.push_back(std::move(packaged));
  state_->signal(std::move(lock));
  return result;
}

void EngineThread::expect_requests(std::optional<nanoseconds> period) {
  const std::scoped_lock lock(state_->mutex);
  state_->expects_requests = true;
  state_->period = period;
}

void EngineThread::expect_request() {
  std::unique_lock lock(state_->mutex);
  const auto now = Clock::now();
  const auto spins_in = [&](const State::Window& window) { return now >= window.from && now < window.until; };
  const bool is_awake = !state_->current.empty() || spins_in(state_->watch) || spins_in(state_->linger);
  state_->watch = {.from = now, .until = now + kWatch};
  if (!is_awake) state_->signal(std::move(lock));
}

void EngineThread::take_turns(std::shared_ptr<FairTurns> turns, const std::string& tenant, double weight) {
  const auto wake = [state = std::weak_ptr(state_)] {
    if (const auto known = state.lock()) known->signal(std::unique_lock(known->mutex));
  };
  const auto engine = turns->add(tenant, weight, wake);
  const std::scoped_lock lock(state_->mutex);
  state_->turns = std::move(turns);
  state_->in_turns = engine;
}

void EngineThread::leave_turns() {
  if (state_->turns) state_->turns->leave(state_->in_turns);
}

bool EngineThread::push(std::shared_ptr<Request> request, std::size_t capacity) {
  origin_.require_here("engine '" + name_ + "'");
  std::unique_lock lock(state_->mutex);
  if (state_->is_closing || state_->requests.size() >= capacity) return false;
  state_->requests.push(std::move(request));
  state_->signal(std::move(lock));
  return true;
}

EngineThread::Requests EngineThread::take_queued() {
  const std::scoped_lock lock(state_->mutex);
  return state_->requests.take_all();
}

void EngineThread::forget(const Request& request) {
  std::shared_ptr<Request> dropped;  // destroyed after the lock is released, with the tensors that it owns
  const std::scoped_lock lock(state_->mutex);
  dropped = state_->requests.remove(request);
}

std::size_t EngineThread::queued() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->requests.size();
}

void EngineThread::wake() { state_->signal(std::unique_lock(state_->mutex)); }

void EngineThread::start(std::shared_ptr<Trigger> trigger, nanoseconds spin) {
  std::unique_lock lock(state_->mutex);
  state_->trigger = std::move(trigger);
  state_->spin = spin;
  state_->signal(std::move(lock));
}

bool EngineThread::stop(Clock::time_point until) {
  start(nullptr, nanoseconds(0));
  std::unique_lock lock(state_->mutex);
  return state_->settled.wait_until(lock, until, [&] { return !state_->triggered; });
}

bool EngineThread::wait_for_trigger(nanoseconds time) {
  std::unique_lock lock(state_->mutex);
  return state_->settled.wait_for(lock, time,
                                  [&] { return (!state_->trigger && !state_->triggered) || state_->has_ended; });
}

EngineThread::Requests EngineThread::under_way() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->current;
}

nanoseconds EngineThread::busy_for(Clock::time_point now) const noexcept {
  const auto since = state_->busy_since.load(std::memory_order_relaxed);
  return since == 0 ? nanoseconds(0) : now - Clock::time_point(Clock::duration(since));
}

void EngineThread::end_soon() {
  std::unique_lock lock(state_->mutex);
  state_->is_closing = true;
  state_->signal(std::move(lock));
}

bool EngineThread::close(Clock::time_point until) {
  if (!thread_.joinable()) return true;
  if (!origin_.is_here()) {
    // A forked child has no such thread, and must neither join nor detach it.
    (void)new std::thread(std::move(thread_));  // NOLINT(cppcoreguidelines-owning-memory)
    return true;
  }
  end_soon();
  bool has_ended = false;
  {
    std::unique_lock lock(state_->mutex);
    const auto ended = [&] { return state_->has_ended; };
    if (until == Clock::time_point::max()) {
      state_->settled.wait(lock, ended);
      has_ended = true;
    } else {
      has_ended = state_->settled.wait_until(lock, until, ended);
    }
  }
  if (has_ended) {
    thread_.join();
  } else {
    thread_.detach();
  }
  return has_ended;
}

}  // namespace greenlane::runtime
