#include "core/graphs/graph_cache.hpp"
#include "text/first_line.hpp"
#include "torch/graphs/captured_call.hpp"
#include "torch/graphs/kernel_scope.hpp"
#include "torch/tensor_lifetimes.hpp"
#include "torch/writes.hpp"

#include <greenlane/detail/core/gate.hpp>
#include <greenlane/detail/core/process.hpp>
#include <greenlane/detail/core/sliced_graph.hpp>
#include <greenlane/detail/torch/resident_graph.hpp>

#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGraphsC10Utils.h>
#include <cuda_runtime_api.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace greenlane {
namespace {

using detail::CallEffects;
using detail::CapturedCall;
using detail::GraphKey;
using detail::KernelTarget;

class TimedEvent {
 public:
  TimedEvent() { C10_CUDA_CHECK(cudaEventCreate(&event_)); }
  ~TimedEvent() { C10_CUDA_CHECK_WARN(cudaEventDestroy(event_)); }
  TimedEvent(const TimedEvent&) = delete;
  TimedEvent& operator=(const TimedEvent&) = delete;
  void record(StreamView stream) { C10_CUDA_CHECK(cudaEventRecord(event_, stream.handle())); }
  [[nodiscard]] std::chrono::nanoseconds since(const TimedEvent& begin) const {
    float milliseconds = 0;
    C10_CUDA_CHECK(cudaEventSynchronize(event_));
    C10_CUDA_CHECK(cudaEventElapsedTime(&milliseconds, begin.event_, event_));
    return std::chrono::nanoseconds(static_cast<std::int64_t>(milliseconds * 1e6));
  }

 private:
  cudaEvent_t event_ = nullptr;
};

class TimedCall {
 public:
  // `before_timing` restores the state that runs change, because the next run may depend on it, such as a position in a
  // cache.
  TimedCall(CapturedCall captured, StreamView stream, std::function<void()> before_timing)
      : call(std::move(captured)), stream_(stream), before_timing_(std::move(before_timing)) {}
  // Replays once and waits. Returns the device's time.
  [[nodiscard]] std::chrono::nanoseconds time() {
    before_timing_();
    TimedEvent begin;
    TimedEvent end;
    begin.record(stream_);
    call.replay(stream_);
    end.record(stream_);
    return end.since(begin);
  }

  // Replays a few times back to back and waits. Returns the device's time for one replay. Requires: runs change
  // nothing.
  [[nodiscard]] std::chrono::nanoseconds mean_time() {
    constexpr int kReplays = 4;
    TimedEvent begin;
    TimedEvent end;
    call.replay(stream_);  // keeps the device busy until the next replay is enqueued
    begin.record(stream_);
    for (int i = 0; i < kReplays; ++i) call.replay(stream_);
    end.record(stream_);
    return end.since(begin) / kReplays;
  }

  // Moves the graph and its slices to the units of `to`, a lane beside the one on this stream. `longer`: how many times
  // longer slices may take there. Returns what must be freed under no lock.
  // Throws: StreamError or DriverError if it cannot be moved; nothing has changed then.
  [[nodiscard]] std::shared_ptr<void> move_to(const Lane& to, StreamView stream, double longer,
                                              const std::shared_ptr<KernelCode>& code) {
    struct Former {
      Graph graph;
      std::optional<SlicedGraph> sliced;
    };
    auto graph = call.graph().moved(to, code);
    std::optional<SlicedGraph> cut;
    if (sliced) cut.emplace(sliced->moved(graph, to, longer));
    auto former = std::make_shared<Former>(Former{.graph = call.exchange(std::move(graph)), .sliced = std::nullopt});
    if (sliced) former->sliced.emplace(std::move(*sliced));
    sliced.reset();
    if (cut) sliced.emplace(std::move(*cut));
    stream_ = stream;
    moved = true;
    return former;
  }

  CapturedCall call;
  [[nodiscard]] StreamView stream() const noexcept { return stream_; }
  std::optional<SlicedGraph> sliced;  // present if gates are on and it was called since
  bool moved = false;                 // since its capture

 private:
  StreamView stream_;
  std::function<void()> before_timing_;
};

struct CallNotes {
  CallEffects effects;
  std::uint64_t context = 0;  // see ResidentGraphs::Kind, at the last call that ran as it is
  int context_failures = 0;   // captures that failed because an engine inside was set otherwise meanwhile
};
using GraphCache = detail::GraphCache<TimedCall, CallNotes>;

thread_local std::chrono::steady_clock::time_point launch_time;  // of the last whole graph

GraphKey key_of(const Lane& lane, const std::vector<at::Tensor>& inputs, std::int64_t variant) {
  GraphKey key{.unit_set = lane.unit_set(), .units = lane.units().count, .signature = {}};
  auto& signature = key.signature;
  signature.reserve(1 + 10 * inputs.size());
  signature.push_back(variant);
  for (const auto& input : inputs) {
    if (!input.defined() || input.layout() != at::kStrided) {
      signature.push_back(-1);
      continue;
    }
    signature.push_back(static_cast<std::int64_t>(input.scalar_type()));
    signature.push_back(input.is_cuda() ? input.get_device() : -1);
    signature.push_back(input.dim());
    signature.insert(signature.end(), input.sizes().begin(), input.sizes().end());
    signature.insert(signature.end(), input.strides().begin(), input.strides().end());
  }
  return key;
}

}  // namespace

struct ResidentGraphs::Impl {
  Device device;
  GraphOptions options;
  at::Generator generator;  // undefined: the device's default generator
  // Recursive, because an engine may be rebound within its own call.
  mutable detail::ForkSafeRecursiveMutex mutex;
  std::shared_ptr<detail::GraphPool> pool;  // made at the first capture
  std::optional<Lane> beside;               // the lane of the captures
  GraphCache cache;
  std::optional<SliceOptions> slices;
  std::shared_ptr<Gate> gate;
  std::shared_ptr<KernelCode> code{};  // may be null
  std::string move_obstacle{};

  void replay(TimedCall& graph, const Lane& lane, const std::vector<at::Tensor>& inputs, Kind kind,
              const CallEffects& effects) {
    if (!slices || kind.urgent) graph.sliced.reset();
    // The inputs' memory belongs to the stream of the lane that the graph was captured for; another lane may have its
    // units now.
    if (lane.stream() != graph.stream())
      graph.call.record_on(c10::cuda::getStreamFromExternal(lane.stream().handle(), index()));
    // Cut before the inputs are copied, because measuring runs the graph on its input memory.
    if (slices && !kind.urgent && !graph.sliced)
      graph.sliced.emplace(graph.call.graph(), lane, *slices,
                           kind.repeatable && options.tune_kernels && !effects.any());
    detail::copy_into(graph.call.inputs(), inputs);
    graph.call.draw(generator);
    if (graph.sliced) {
      graph.sliced->run(*gate, lane);
    } else {
      launch_time = std::chrono::steady_clock::now();
      graph.call.replay(lane.stream());
    }
    graph.call.write_back(inputs, effects.written);
  }

  [[nodiscard]] c10::DeviceIndex index() const { return static_cast<c10::DeviceIndex>(device.id().index); }

  // Captures a call on the engine's lane, whose stream is current. Returns false if there is no graph.
  bool capture(const detail::CaptureTurn& turn, GraphCache::Entry& entry, const Lane& lane,
               const std::vector<at::Tensor>& inputs, Kind kind, const CallEffects& effects, const Model& model) {
    // The capture allocates device memory, and kernels are timed.
    const c10::cuda::CUDAStreamCaptureModeGuard while_others_capture(cudaStreamCaptureModeRelaxed);
    auto targets = detail::kernel_targets(device.info(), lane.units());
    if (!options.tune_kernels || !kind.repeatable || !detail::can_target_kernels()) targets.resize(1);
    std::vector<at::Tensor> fixed;
    const auto state = std::make_shared<detail::KeptTensors>();
    if (targets.size() > 1) *state = detail::KeptTensors(effects.state);
    const bool is_repeatable = options.tune_kernels && kind.repeatable && !effects.any();
    const auto time = is_repeatable ? detail::GraphTime::measured : detail::GraphTime::unknown;
    const auto capture_for = [&](KernelTarget target) {
      if (!beside || beside->unit_set() != lane.unit_set()) {
        beside = lane.beside();
        beside->keep_stream();
      }
      if (!pool) pool = std::make_shared<detail::GraphPool>(index());
      if (fixed.empty()) fixed = detail::make_static(inputs, index());
      // Other graphs of the engine use the workspace of the stream that this graph is prepared on.
      lane.synchronize();
      auto put_back = [state, &fixed, &inputs, &effects] {
        state->put_back();
        if (!effects.written.empty()) detail::copy_into(fixed, inputs);
      };
      return std::make_unique<TimedCall>(CapturedCall(turn, *beside, pool, fixed, model, target), lane.stream(),
                                         std::move(put_back));
    };
    const bool is_captured = cache.capture(entry, targets, capture_for, time);
    state->put_back();
    return is_captured;
  }

  // Moves the graphs of other units to those of the lane. A graph that cannot be moved stays. Returns what must be
  // freed under no lock. Requires the lock.
  [[nodiscard]] std::vector<std::shared_ptr<void>> move_all(const Lane& lane) {
    std::vector<std::shared_ptr<void>> former;
    move_obstacle.clear();
    const auto is_elsewhere = [&](const auto& entry) {
      return entry->state == GraphCache::State::resident && entry->key.unit_set != lane.unit_set();
    };
    if (std::ranges::none_of(cache.entries(), is_elsewhere)) return former;
    lane.keep_stream();  // the memory of inputs is used on it from now on
    const auto to = lane.beside();
    to.keep_stream();
    for (const auto& entry : cache.entries()) {
      auto& key = entry->key;
      if (!is_elsewhere(entry) || !entry->graph->call.graph().is_current()) continue;
      try {
        const double longer = std::max(1.0, static_cast<double>(key.units) / std::max(lane.units().count, 1));
        former.push_back(entry->graph->move_to(to, lane.stream(), longer, code));
        entry->graph->call.record_on(c10::cuda::getStreamFromExternal(lane.stream().handle(), index()));
        if (key.units != lane.units().count) entry->time = {};
        key.unit_set = lane.unit_set();
        key.units = lane.units().count;
      } catch (const std::exception& error) {
        move_obstacle = text::first_line(error.what());
      }
    }
    return former;
  }

  // Requires the lock.
  [[nodiscard]] GraphReport report() const {
    GraphReport report{
        .graphs = {}, .bytes = pool ? pool->bytes() : 0, .obstacle = cache.obstacle(), .move_obstacle = move_obstacle};
    for (const auto& entry : cache.entries()) {
      if (entry->state != GraphCache::State::resident) continue;
      const auto& graph = *entry->graph;
      GraphInfo info{.units = entry->key.units,
                     .kernel_units = entry->target,
                     .time = entry->time,
                     .replays = entry->replays,
                     .slices = graph.sliced ? graph.sliced->slices() : 1,
                     .longest_slice = graph.sliced ? graph.sliced->longest_slice() : std::chrono::nanoseconds(0),
                     .look_ahead = graph.sliced ? graph.sliced->look_ahead() : 0,
                     .gate_obstacle = graph.sliced ? graph.sliced->obstacle() : std::string(),
                     .long_kernel = graph.sliced ? graph.sliced->long_kernel() : std::nullopt,
                     .moved = graph.moved};
      report.graphs.push_back(std::move(info));
      for (const auto& input : graph.call.inputs()) report.bytes += input.nbytes();
    }
    return report;
  }
};

ResidentGraphs::ResidentGraphs(const StreamBinding& binding, GraphOptions options, at::Generator generator)
    : impl_(new Impl{.device = binding.device(),
                     .options = options,
                     .generator = std::move(generator),
                     .mutex = {},
                     .pool = {},
                     .beside = {},
                     .cache = GraphCache(binding.owner(), options.capacity),
                     .slices = {},
                     .gate = {}}) {}

ResidentGraphs::~ResidentGraphs() = default;

std::vector<at::Tensor> ResidentGraphs::run(const BoundCall& call, const std::vector<at::Tensor>& inputs, Kind kind,
                                            const Model& model) {
  if (!call.lane() || call.is_captured()) return model(inputs);
  const auto& lane = *call.lane();
  const std::scoped_lock lock(impl_->mutex);
  const auto entry = impl_->cache.find(key_of(lane, inputs, kind.variant));
  using State = GraphCache::State;
  const auto refuse = [&](const std::string& why) {
    entry->obstacle = why;
    impl_->cache.refuse(*entry);
  };
  if (entry->state == State::resident && !entry->graph->call.graph().is_current())
    entry->state = State::unseen;  // an engine inside is bound elsewhere by now, or set to another shape
  if (entry->state != State::refused && entry->notes.context != kind.context) entry->state = State::unseen;
  if (entry->needs_eager_call()) {
    entry->graph.reset();
    if (const auto why = detail::graph_memory_obstacle(); !why.empty()) {
      refuse(why);
      return model(inputs);
    }
    const c10::cuda::CUDAStreamCaptureModeGuard while_others_capture(cudaStreamCaptureModeRelaxed);
    const detail::WriteScope writes(detail::WriteScope::Copies::none);
    auto outputs = detail::rehearse(model, inputs);
    entry->notes.effects = detail::effects_of(inputs, writes.tensors());
    entry->notes.context = kind.context;
    entry->note_eager_call();
    return outputs;
  }
  if (entry->state == State::refused) return model(inputs);
  const auto& effects = entry->notes.effects;
  if (effects.any()) {
    // Checked at each call, because callers may pass other memory.
    if (const auto why = detail::aliasing_obstacle(inputs, effects); !why.empty()) {
      impl_->cache.warn_once(why);
      return model(inputs);
    }
  }
  if (entry->state == State::seen) {
    const auto turn = detail::CaptureTurn::try_take();
    if (!turn) return model(inputs);
    if (!impl_->capture(*turn, *entry, lane, inputs, kind, effects, model)) {
      // If the engine itself is at fault, this throws, and the next call tries again.
      auto outputs = model(inputs);
      constexpr int kMostFailures = 8;
      const bool is_set_otherwise = entry->obstacle.find(detail::kContextChanged) != std::string::npos;
      // This call has set the engine inside, so the next one may be captured.
      if (!is_set_otherwise || ++entry->notes.context_failures >= kMostFailures) impl_->cache.refuse(*entry);
      return outputs;
    }
  }
  auto& graph = *entry->graph;
  impl_->replay(graph, lane, inputs, kind, effects);
  ++entry->replays;
  return graph.call.results(inputs, kind.outputs.value_or(impl_->options.outputs) == GraphOutputs::copies);
}

void ResidentGraphs::set_gates(const std::optional<SliceOptions>& slices) {
  const std::scoped_lock lock(impl_->mutex);
  impl_->slices = slices;
  if (slices && !impl_->gate) impl_->gate = Gate::of(impl_->device);
  for (const auto& entry : impl_->cache.entries()) {
    if (entry->graph) entry->graph->sliced.reset();
  }
}

void ResidentGraphs::set_kernel_code(std::shared_ptr<KernelCode> code) {
  const std::scoped_lock lock(impl_->mutex);
  impl_->code = std::move(code);
}

void ResidentGraphs::retune() {
  std::vector<std::unique_ptr<TimedCall>> dropped;  // freed after the lock is released
  const std::scoped_lock lock(impl_->mutex);
  for (const auto& entry : impl_->cache.entries()) {
    if (entry->state != GraphCache::State::resident || !entry->graph->moved) continue;
    dropped.push_back(std::move(entry->graph));
    entry->state = GraphCache::State::seen;
  }
}

void ResidentGraphs::forget(std::int64_t variant) {
  std::shared_ptr<void> dropped;  // freed after the lock is released
  const std::scoped_lock lock(impl_->mutex);
  dropped = impl_->cache.drop_if([&](const GraphKey& key) { return key.signature.front() == variant; });
}

GraphReport ResidentGraphs::report() const {
  const std::scoped_lock lock(impl_->mutex);
  return impl_->report();
}

std::optional<GraphReport> ResidentGraphs::report_if_idle() const {
  const std::unique_lock lock(impl_->mutex, std::try_to_lock);
  return lock ? std::optional(impl_->report()) : std::nullopt;
}

bool collects_writes() noexcept { return detail::WriteScope::is_active(); }
void note_write(const at::Tensor& tensor) { detail::WriteScope::note(tensor); }

std::chrono::steady_clock::time_point last_launch() noexcept { return launch_time; }

std::shared_ptr<void> ResidentGraphs::rebound(const std::optional<Lane>& lane) noexcept {
  struct Dropped {
    std::optional<Lane> beside;  // the first member, because its units must outlive the graphs
    std::vector<std::shared_ptr<void>> moved;
    std::shared_ptr<void> graphs;
  };
  auto dropped = std::make_shared<Dropped>();
  const std::scoped_lock lock(impl_->mutex);
  if (lane) {
    try {
      dropped->moved = impl_->move_all(*lane);
    } catch (const std::exception& error) {  // no lane beside it could be made: all graphs are captured anew
      impl_->move_obstacle = text::first_line(error.what());
    }
  }
  dropped->graphs = lane ? impl_->cache.drop_all_but(lane->unit_set()) : impl_->cache.drop_all();
  if (impl_->beside && (!lane || impl_->beside->unit_set() != lane->unit_set()))
    dropped->beside = std::exchange(impl_->beside, std::nullopt);
  return dropped;
}

}  // namespace greenlane
