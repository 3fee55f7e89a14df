#include "core/graphs/graph_slices.hpp"
#include "core/graphs/graph_state.hpp"
#include "core/graphs/slice_choice.hpp"
#include "core/lane_state.hpp"
#include "core/spin.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/detail/core/access.hpp>
#include <greenlane/detail/core/sliced_graph.hpp>
#include <greenlane/detail/core/slices_in_flight.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <memory>
#include <span>
#include <thread>
#include <utility>
#include <vector>

namespace greenlane {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using Clock = std::chrono::steady_clock;
using Parts = std::vector<std::unique_ptr<detail::GraphBackend>>;

// Returns the mean time of `work`. Waits at the gate first, so that urgent engines and the measurement do not disturb
// each other.
template <typename Work>
nanoseconds time_of(const Lane& lane, int repeats, Work work) {
  (void)Gate::of(lane.device())->wait(lane.unit_set(), GateWait::block);
  const auto begin = Clock::now();
  for (int i = 0; i < repeats; ++i) work();
  lane.synchronize();
  return (Clock::now() - begin) / repeats;
}

// Returns each part's shortest time over some rounds. The parts run in their order, because a kernel's time may depend
// on what it finds in memory: a kernel that takes its tiles from a counter has nothing to do until the part that resets
// the counter has run.
std::vector<nanoseconds> times_of(const Lane& lane, std::span<detail::GraphBackend* const> parts) {
  constexpr int kRounds = 5;
  auto& device = *detail::Access::state(lane)->device;
  std::vector<std::unique_ptr<detail::EventBackend>> marks;
  for (std::size_t i = 0; i <= parts.size(); ++i) marks.push_back(device.make_timed_event());
  std::vector<nanoseconds> least(parts.size(), nanoseconds::max());
  for (int round = 0; round < kRounds; ++round) {
    (void)time_of(lane, 1, [&] {
      marks[0]->record(lane.stream());
      for (std::size_t i = 0; i < parts.size(); ++i) {
        parts[i]->launch(lane.stream());
        marks[i + 1]->record(lane.stream());
      }
    });
    for (std::size_t i = 0; i < parts.size(); ++i) least[i] = std::min(least[i], marks[i + 1]->since(*marks[i]));
  }
  return least;
}

// Returns the median. Requires a value.
double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

// Returns how much longer `work` takes than `other`, as a share. Both are measured back to back, where the device
// always has the next launch at hand, and one by one, where the device waits for the host in between. The larger share
// counts, because either may be the later use. The two take turns, in changing order, because the device's clock
// drifts; the median counts, because the host is late at times.
template <typename Work, typename OtherWork>
double overhead_of(const Lane& lane, int repeats, Work work, OtherWork other) {
  const auto overhead = [&](int in_a_row) {
    std::vector<double> shares;
    const int turns = std::max(3, repeats / in_a_row);
    for (int turn = 0; turn < turns; ++turn) {
      const bool comes_first = turn % 2 == 0;
      nanoseconds with{0};
      if (comes_first) with = time_of(lane, in_a_row, work);
      const auto without = std::max(time_of(lane, in_a_row, other), nanoseconds(1));
      if (!comes_first) with = time_of(lane, in_a_row, work);
      shares.push_back(static_cast<double>(with.count()) / static_cast<double>(without.count()) - 1);
    }
    return median(std::move(shares));
  };
  constexpr int kInARow = 8;
  return std::max(overhead(kInARow), overhead(1));
}

}  // namespace

struct SlicedGraph::Impl {
  // An end is known to this if the device was asked so shortly before: the thread may lose its core in between.
  static constexpr auto kExact = microseconds(25);

  // A slice that was launched and may be in flight.
  struct Launched {
    std::unique_ptr<detail::EventBackend> done;
    Clock::time_point at{};
    std::size_t part = 0;
    bool is_observed = true;
  };

  Graph graph;
  SliceOptions options;
  std::shared_ptr<GatedWork> work;
  bool has_joined = false;             // the gate
  std::vector<detail::Slice> nodes{};  // of each part
  Parts parts{};
  std::vector<nanoseconds> times{};  // of each part, as measured and then as seen in runs; 0: not known
  nanoseconds longest{0};
  std::optional<LongKernel> long_kernel{};
  std::string obstacle{};
  std::vector<Launched> launched{};  // a ring of look-ahead + 1 slices; at most this many are in flight
  std::size_t next = 0;              // the next entry of `launched`, across runs
  Clock::time_point last_end{};
  bool is_last_end_exact = false;

  void look_ahead(const Lane& lane, int slices) {
    launched.clear();
    next = 0;
    for (int i = 0; i <= std::max(slices, 0); ++i)
      launched.push_back({.done = detail::Access::state(lane)->device->make_event()});
  }

  void run(Gate& gate, const Lane& lane) {
    if (!std::exchange(has_joined, true)) gate.join(work);
    for (std::size_t i = 0; i < parts.size(); ++i) launch(gate, lane, *parts[i], i);
    if (parts.empty()) launch(gate, lane, *detail::Access::state(graph)->backend, 0);
    if (options.log) wait_for_all();
  }

  void launch(Gate& gate, const Lane& lane, detail::GraphBackend& part, std::size_t number) {
    auto& turn = launched[next];
    wait_for(turn);
    wait_for_need();
    // Otherwise their ends would be noticed only when the gate opens.
    if (options.log && !gate.is_open(lane.unit_set(), work.get())) wait_for_all();
    (void)gate.wait(lane.unit_set(), options.wait, work.get());
    turn.at = Clock::now();
    turn.part = number;
    work->note_launch(turn.at);
    turn.is_observed = false;
    part.launch(lane.stream());
    turn.done->record(lane.stream());
    next = (next + 1) % launched.size();
  }

  // Waits until the device is about to need the next slice: while it is not launched, urgent work does not wait for it.
  // Requires that the oldest slice in flight has ended, so that the one behind it runs.
  void wait_for_need() {
    auto& running = launched[(next + 1) % launched.size()];
    if (running.is_observed || times.empty() || options.wait != GateWait::spin) return;
    // Its begin at the latest, if the former end was seen. Otherwise it began earlier, but not before its launch.
    const auto begin = is_last_end_exact ? std::max(running.at, last_end) : running.at;
    const auto due = begin + times[running.part] - detail::kLaunchLead;
    detail::Spin spin;
    for (auto asked = Clock::now(), before = asked; asked < due; before = asked, asked = Clock::now()) {
      if (running.done->is_done()) {
        note_end(running, asked - before < kExact);
        return;
      }
      spin.pause();
    }
  }

  // Corrects a part's time by that of a run, which may be longer if nobody saw the end. A time that is too long leaves
  // the device without work for a moment, so it falls at once, and rises slowly.
  void learn(std::size_t part, nanoseconds seen, bool may_rise) {
    constexpr int kRise = 8;
    if (times.empty()) return;
    auto& time = times[part];
    if (time.count() == 0 || seen < time) {
      time = seen;
    } else if (may_rise) {
      time += (seen - time) / kRise;
    }
  }

  void wait_for(Launched& slice) {
    if (slice.is_observed) return;
    detail::Spin spin;
    bool was_running = false;
    auto before = Clock::now();
    while (!slice.done->is_done()) {
      was_running = true;
      before = Clock::now();
      if (options.wait == GateWait::spin) {
        spin.pause();
      } else {
        std::this_thread::sleep_for(microseconds(5));
      }
    }
    note_end(slice, was_running && Clock::now() - before < kExact);
  }

  // Notes that the slice has ended; exact: just now.
  void note_end(Launched& slice, bool is_exact) {
    slice.is_observed = true;
    const auto begin = std::max(slice.at, last_end);
    const bool is_at_launch = begin == slice.at;
    const bool was_last_exact = std::exchange(is_last_end_exact, is_exact);
    last_end = Clock::now();
    if (is_at_launch || was_last_exact) learn(slice.part, last_end - begin, is_exact && !is_at_launch);
    if (options.log) options.log->add({.begin = begin, .end = last_end});
  }

  void wait_for_all() {
    for (std::size_t i = 0; i < launched.size(); ++i) wait_for(launched[(next + i) % launched.size()]);
  }

  [[nodiscard]] nanoseconds in_flight() const {
    return detail::time_in_flight(longest, static_cast<int>(launched.size()) - 1, options.wait);
  }

  void make_parts(const detail::GraphBackend& backend, const std::vector<detail::Slice>& slices) {
    parts.clear();
    nodes = slices;
    for (const auto& slice : slices) parts.push_back(backend.part(slice));
    times.assign(parts.size(), nanoseconds(0));
  }

  // Returns the slices that are used without a measurement: each has the same number of parts.
  static std::vector<detail::Slice> even(const std::vector<detail::Slice>& finest) {
    constexpr int kSlices = 16;
    const std::vector<nanoseconds> equal(finest.size(), nanoseconds(1));
    const auto each = (static_cast<nanoseconds::rep>(finest.size()) + kSlices - 1) / kSlices;
    return detail::merge_slices(finest, equal, nanoseconds(each));
  }

  void cut(detail::GraphBackend& backend, const Lane& lane, bool measure) {
    const auto finest = detail::finest_slices(backend.shape());
    if (finest.size() < 2) {
      obstacle = "it has no point that every path crosses";
      detail::GraphBackend* const whole = &backend;
      if (measure) note_long_kernel(backend, finest, times_of(lane, {&whole, 1}));
      return;
    }
    if (measure) {
      cut_as_measured(backend, lane, finest);
    } else {
      make_parts(backend, even(finest));
    }
  }

  void note_long_kernel(const detail::GraphBackend& backend, const std::vector<detail::Slice>& finest,
                        const std::vector<nanoseconds>& finest_times) {
    long_kernel =
        detail::find_long_kernel(finest, finest_times, options, [&](int node) { return backend.kernel_name(node); });
  }

  [[nodiscard]] std::vector<nanoseconds> times_of_parts(const Lane& lane) const {
    std::vector<detail::GraphBackend*> all;
    for (const auto& part : parts) all.push_back(part.get());
    return times_of(lane, all);
  }

  void cut_as_measured(detail::GraphBackend& backend, const Lane& lane, const std::vector<detail::Slice>& finest) {
    const auto stream = lane.stream();
    const auto launch = [&](detail::GraphBackend& part) { return [&] { part.launch(stream); }; };
    make_parts(backend, finest);
    times = times_of_parts(lane);
    note_long_kernel(backend, finest, times);

    // A device under constant load takes some tenths of a second to settle on a clock. The clock is higher if slices
    // leave the device short gaps.
    constexpr int kFew = 8;
    constexpr int kMost = 400;
    constexpr auto kTurn = milliseconds(400);
    constexpr auto kMostTime = std::chrono::seconds(10);
    const auto alone = std::max(time_of(lane, kFew, launch(backend)), nanoseconds(1));
    const auto many = static_cast<int>(std::clamp<nanoseconds::rep>(kTurn / alone, kFew, kMost));
    const auto choices = detail::slice_choices(finest, times, options);
    if (choices.size() > 1) {
      for (int i = 0; i < 2 * many; ++i) (void)time_of(lane, 1, launch(backend));
    }
    const auto make = [&](const detail::SliceChoice& choice) {
      if (nodes != choice.slices) {
        make_parts(backend, choice.slices);
        times = times_of_parts(lane);
      }
      look_ahead(lane, choice.look_ahead);
    };
    const auto gate = Gate::of(lane.device());
    // The end of the measurement, which a neighbour may prolong. The choice then uses the results so far.
    const auto end = Clock::now() + kMostTime;
    make(detail::choose_slices(choices, options.most_overhead, [&](const detail::SliceChoice& choice) {
      if (Clock::now() >= end) return std::numeric_limits<double>::infinity();
      make(choice);
      const auto sliced = [&] { run(*gate, lane); };
      const auto roughly = [&] { return overhead_of(lane, kFew, sliced, launch(backend)); };
      // Twice, because a few runs may be slow by chance.
      if (const double least = std::min(roughly(), roughly()); least > 4 * options.most_overhead) return least;
      return overhead_of(lane, many, sliced, launch(backend));
    }));
    times = times_of_parts(lane);
    longest = std::ranges::max(times);
  }
};

SlicedGraph::SlicedGraph(Graph graph, const Lane& lane, const SliceOptions& options, bool measure)
    : impl_(new Impl{
          .graph = std::move(graph), .options = options, .work = std::make_shared<GatedWork>(lane.unit_set())}) {
  impl_->look_ahead(lane, options.look_ahead.value_or(1));
  auto log = std::exchange(impl_->options.log, nullptr);  // the measurement is not logged
  try {
    impl_->cut(*detail::Access::state(impl_->graph)->backend, lane, measure);
  } catch (const Error& error) {
    impl_->obstacle = error.what();
  }
  if (!impl_->obstacle.empty()) {
    impl_->parts.clear();
    impl_->nodes.clear();
    impl_->times.clear();
    impl_->longest = nanoseconds(0);
    impl_->look_ahead(lane, options.look_ahead.value_or(1));
  }
  impl_->options.log = std::move(log);
  impl_->work->set_in_flight(impl_->in_flight());
}

SlicedGraph::SlicedGraph(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
SlicedGraph::~SlicedGraph() = default;
SlicedGraph::SlicedGraph(SlicedGraph&&) noexcept = default;

SlicedGraph SlicedGraph::moved(Graph graph, const Lane& lane, double longer) const {
  const auto there = [&](nanoseconds time) {
    return std::chrono::duration_cast<nanoseconds>(longer * std::chrono::duration<double, std::nano>(time));
  };
  std::unique_ptr<Impl> impl(new Impl{.graph = std::move(graph),
                                      .options = impl_->options,
                                      .work = std::make_shared<GatedWork>(lane.unit_set()),
                                      .longest = there(impl_->longest),
                                      .long_kernel = impl_->long_kernel,
                                      .obstacle = impl_->obstacle});
  if (impl->long_kernel) impl->long_kernel->time = there(impl->long_kernel->time);
  impl->look_ahead(lane, look_ahead());
  if (!impl_->parts.empty()) impl->make_parts(*detail::Access::state(impl->graph)->backend, impl_->nodes);
  for (std::size_t i = 0; i < impl->times.size(); ++i) impl->times[i] = there(impl_->times[i]);
  impl->work->set_in_flight(impl->in_flight());
  return SlicedGraph(std::move(impl));
}

int SlicedGraph::slices() const noexcept { return std::max(1, static_cast<int>(impl_->parts.size())); }
nanoseconds SlicedGraph::longest_slice() const noexcept { return impl_->longest; }
nanoseconds SlicedGraph::in_flight() const noexcept { return impl_->in_flight(); }
int SlicedGraph::look_ahead() const noexcept { return static_cast<int>(impl_->launched.size()) - 1; }
const std::optional<LongKernel>& SlicedGraph::long_kernel() const noexcept { return impl_->long_kernel; }
const std::string& SlicedGraph::obstacle() const noexcept { return impl_->obstacle; }

void SlicedGraph::run(Gate& gate, const Lane& lane) { impl_->run(gate, lane); }

}  // namespace greenlane
