#include "core/graph_slices.hpp"
#include "core/graph_state.hpp"
#include "core/lane_state.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/core/sliced_graph.hpp>

#include <algorithm>
#include <array>
#include <thread>
#include <utility>
#include <vector>

namespace greenlane {
namespace {

using std::chrono::microseconds;
using std::chrono::nanoseconds;
using Clock = std::chrono::steady_clock;
using Parts = std::vector<std::unique_ptr<detail::GraphBackend>>;

// Below the shortest the host does not keep up with the device.
constexpr std::array kLengths{microseconds(25), microseconds(50), microseconds(100), microseconds(200)};
constexpr int kRounds = 5;

template <typename Work>
nanoseconds least(const Lane& lane, int repeats, Work work) {
  auto best = nanoseconds::max();
  for (int round = 0; round < kRounds; ++round) {
    const auto begin = Clock::now();
    for (int i = 0; i < repeats; ++i) work();
    lane.synchronize();
    best = std::min<nanoseconds>(best, (Clock::now() - begin) / repeats);
  }
  return best;
}

}  // namespace

struct SlicedGraph::Impl {
  Graph graph;
  SliceOptions options;
  Parts parts;
  nanoseconds longest{0};
  std::string obstacle;
  std::vector<std::unique_ptr<detail::EventBackend>> events;  // of the slices in flight, in turn

  void run(Gate& gate, const Lane& lane) {
    const auto stream = lane.stream();
    const auto place = lane.place();
    for (std::size_t i = 0; i < parts.size(); ++i) {
      auto& event = *events[i % events.size()];
      if (i >= events.size()) wait_for(event);
      (void)gate.wait(place, options.wait);
      parts[i]->launch(stream);
      event.record(stream);
    }
  }

  void wait_for(detail::EventBackend& event) const {
    while (!event.is_done()) {
      if (options.wait == GateWait::block) std::this_thread::sleep_for(microseconds(5));
    }
  }

  void make_parts(const detail::GraphBackend& backend, const std::vector<detail::Slice>& slices) {
    parts.clear();
    for (const auto& slice : slices) parts.push_back(backend.part(slice));
  }

  // The slices that there are when no measure is taken: an equal number of parts in each.
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
      return;
    }
    if (!measure) {
      make_parts(backend, even(finest));
      return;
    }
    make_parts(backend, finest);
    std::vector<nanoseconds> times;
    for (const auto& part : parts) times.push_back(least(lane, 8, [&] { part->launch(lane.stream()); }));
    const auto alone = least(lane, 1, [&] { backend.launch(lane.stream()); });
    Gate open;
    std::vector<nanoseconds> lengths(kLengths.begin(), kLengths.end());
    if (options.longest) lengths.assign(1, *options.longest);
    for (const auto length : lengths) {
      const auto slices = detail::merge_slices(finest, times, length);
      make_parts(backend, slices);
      longest = nanoseconds(0);
      for (const auto& part : parts) longest = std::max(longest, least(lane, 4, [&] { part->launch(lane.stream()); }));
      const auto sliced = least(lane, 1, [&] { run(open, lane); });
      const auto most = static_cast<double>(alone.count()) * (1 + options.most_overhead);
      if (static_cast<double>(sliced.count()) <= most) break;
    }
  }
};

SlicedGraph::SlicedGraph(Graph graph, const Lane& lane, const SliceOptions& options, bool measure)
    : impl_(new Impl{.graph = std::move(graph), .options = options, .parts = {}, .obstacle = {}, .events = {}}) {
  for (int i = 0; i <= std::max(options.look_ahead, 0); ++i) impl_->events.push_back(lane.state_->device->make_event());
  try {
    impl_->cut(*impl_->graph.state_->backend, lane, measure);
  } catch (const Error& error) {
    impl_->obstacle = error.what();
  }
  if (!impl_->obstacle.empty()) impl_->parts.clear();
}

SlicedGraph::~SlicedGraph() = default;
SlicedGraph::SlicedGraph(SlicedGraph&&) noexcept = default;

int SlicedGraph::slices() const noexcept { return std::max(1, static_cast<int>(impl_->parts.size())); }
nanoseconds SlicedGraph::longest_slice() const noexcept { return impl_->longest; }
const std::string& SlicedGraph::obstacle() const noexcept { return impl_->obstacle; }

void SlicedGraph::run(Gate& gate, const Lane& lane) {
  if (!impl_->parts.empty()) {
    impl_->run(gate, lane);
    return;
  }
  (void)gate.wait(lane.place(), impl_->options.wait);
  impl_->graph.launch(lane.stream());
}

}  // namespace greenlane
