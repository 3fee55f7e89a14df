#include "runtime/live_pipeline.hpp"

#include "runtime/edges/data_trigger.hpp"
#include "runtime/edges/timer_trigger.hpp"
#include "runtime/memory_use.hpp"
#include "runtime/pipeline_stats.hpp"
#include "runtime/shared_turns.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/core/log.hpp>
#include <greenlane/detail/runtime/plan_lanes.hpp>
#include <greenlane/detail/runtime/rehearsal.hpp>

#include <algorithm>
#include <thread>
#include <utility>

namespace greenlane::runtime {

using std::chrono::milliseconds;

namespace {

std::function<void(const Miss&)> listener_of(const std::shared_ptr<MissReports>& reports) {
  if (!reports) return {};
  return [reports](const Miss& miss) { reports->add(miss); };
}

std::unique_ptr<MetricsEndpoint> metrics_of(const std::string& address) {
  return address.empty() ? nullptr : std::make_unique<MetricsEndpoint>(address);
}

// Never frees the object, because that would wait for threads that do not end.
template <typename T>
void keep_for_ever(std::unique_ptr<T> object) {
  static std::mutex mutex;
  static auto* kept = new std::vector<std::unique_ptr<T>>;
  const std::scoped_lock lock(mutex);
  kept->push_back(std::move(object));
}

}  // namespace

LivePipeline::LivePipeline(std::string name, PipelineConfig config, const PipelineOptions& options,
                           const ModuleLoader& modules)
    : name_(std::move(name)),
      misses_(options.on_miss ? std::make_shared<MissReports>(options.on_miss) : nullptr),
      metrics_(metrics_of(options.metrics.value_or(config.metrics))),
      loaded_(std::make_unique<LoadedPipeline>(std::move(config),
                                               LoadOptions{.modules = modules, .on_miss = listener_of(misses_)})) {}

LivePipeline::~LivePipeline() {
  try {
    close();
  } catch (const std::exception& error) {
    warn(name_ + " could not be closed: " + error.what());
  }
}

void LivePipeline::plan_open_lanes(const std::atomic<bool>& stop) {
  if (!leaves_all_open(loaded_->config()) || !loaded_->device().info().partition_obstacle.empty()) return;
  ProfileOptions options;
  options.stop = &stop;
  const auto planned = plan_lanes(*loaded_, options);
  if (planned.obstacle.empty()) {
    info(name_ + ": the lanes are planned from a quick profile");
  } else if (!stop) {
    warn(name_ + " sets no units, and they are divided evenly: " + planned.obstacle);
  }
  loaded_->place(planned.config);
}

void LivePipeline::check_engines(const std::atomic<bool>& stop) {
  const auto warm_ups = placed_->warm_up(/*check=*/false, stop);
  if (stop) throw EngineError({.what = name_ + " was not opened", .why = "it was stopped", .remedy = "open it again"});
  for (std::size_t i = 0; i < warm_ups.size(); ++i) {
    if (warm_ups[i].error.empty()) continue;
    const auto& lane = placed_->lane_of(i);
    throw EngineError({.what = "engine '" + loaded_->engines()[i]->name() + "' cannot run on lane '" + lane.name() +
                               "' (" + units_text(lane.device().id().kind, lane.units()) + ")",
                       .why = warm_ups[i].error,
                       .remedy = "check the model and its recorded inputs; some libraries need more units"});
  }
}

void LivePipeline::open(Mode mode, const std::atomic<bool>& stop) {
  placed_ = std::make_unique<PlacedPipeline>(*loaded_, mode);
  check_engines(stop);
  share_turns(*loaded_, *placed_);
  edges_ = std::make_unique<PipelineEdges>(*loaded_);
  for (const auto& [device, gate] : placed_->gates()) gate->reset_report();
  std::vector<ServedEngine*> watched;
  for (std::size_t i = 0; i < loaded_->engines().size(); ++i) {
    const auto& lane = placed_->lane_of(i);
    auto live = std::make_shared<LiveEngine>();
    live->engine = loaded_->engines()[i];
    live->lane = lane;
    live->about = about_engine(loaded_->config().engines[i], lane, live->engine->workload());
    live->about_call = live->workload().call_spec();
    live->inputs = live->workload().input_specs();
    live->outputs = live->workload().output_specs();
    live->runs = edges_->runs(i);
    if (lane.device().id().kind == DeviceKind::cuda)
      live->engine->expect_requests(request_period(loaded_->config().engines[i]));
    live->engine->begin_figures();
    watched.push_back(live->engine.get());
    engines_.push_back(std::move(live));
  }
  watchdog_ = std::make_unique<Watchdog>(std::move(watched));
  opened_ = Clock::now();
  if (metrics_) metrics_->watch([this] { return stats(); });
  info(name_ + " is open in mode " + std::string(to_string(mode)) + ", with " + std::to_string(engines_.size()) +
       " engines");
}

std::shared_ptr<Trigger> LivePipeline::trigger_of(std::size_t engine) const {
  const auto& config = loaded_->config().engines[engine];
  const auto& runs = engines_[engine]->runs;
  if (!runs) return nullptr;
  if (config.has_timer) return std::make_shared<TimerTrigger>(runs, config.period.value());
  if (std::ranges::any_of(config.edges, &EdgeConfig::triggers)) return std::make_shared<DataTrigger>(runs);
  return nullptr;
}

std::shared_ptr<const SinkParts> LivePipeline::sink(std::size_t engine) const {
  const auto& name = engines_[engine]->engine->name();
  if (!engines_[engine]->runs) {
    throw ConfigError({.what = "engine '" + name + "' has no sink",
                       .why = "it takes inputs, and the file has no `from` for them, so only calls and requests run it",
                       .remedy = "use the outputs of the calls, or give it `from`"});
  }
  SinkParts parts{
      .origin = origin_, .engine = engines_[engine]->engine, .outlet = edges_->outlet(engine), .sources = {}};
  for (const auto& source : edges_->sources()) parts.sources.push_back(source->name());
  return std::make_shared<SinkParts>(std::move(parts));
}

void LivePipeline::reset() {
  origin_.require_here(name_);
  edges_->restore_initial();
}

void LivePipeline::start() {
  origin_.require_here(name_);
  const std::scoped_lock lock(mutex_);
  if (is_closed_) {
    throw RequestError({.what = name_ + " does not start", .why = "it is closed", .remedy = "open it again"},
                       RequestError::Reason::closed);
  }
  if (is_running_) return;
  for (std::size_t i = 0; i < engines_.size(); ++i) {
    const auto trigger = trigger_of(i);
    if (!trigger) continue;
    const bool spins =
        loaded_->config().engines[i].has_timer && placed_->lane_of(i).device().id().kind == DeviceKind::cuda;
    engines_[i]->engine->start(trigger, spins ? kSpin : Nanoseconds(0));
  }
  is_running_ = true;
}

void LivePipeline::stop() {
  origin_.require_here(name_);
  const std::scoped_lock lock(mutex_);
  if (!is_running_) return;
  for (const auto& live : engines_) {
    // An engine that hangs is not waited for.
    while (!live->engine->stop(Clock::now() + milliseconds(50)) && live->engine->is_serving()) continue;
  }
  is_running_ = false;
}

PipelineStats LivePipeline::stats() {
  const auto now = Clock::now();
  PipelineStats all;
  all.host_bytes = host_bytes();
  all.open_for = now - opened_;
  for (const auto& live : engines_) {
    EngineStats stats = live->about;
    live->engine->fill(stats, now);
    all.engines.push_back(std::move(stats));
  }
  const std::scoped_lock lock(mutex_);
  if (is_closed_) return all;
  add_tenants(all, loaded_->config(), loaded_->engines());
  add_edges(all, loaded_->config(), edges_.get(), now);
  add_devices(all, *loaded_, *placed_);
  all.is_running = is_running_;
  all.is_broken = watchdog_->is_broken();
  return all;
}

std::unique_ptr<MetricsEndpoint> LivePipeline::take_metrics() {
  const std::scoped_lock lock(metrics_mutex_);
  return std::move(metrics_);
}

std::optional<std::string> LivePipeline::metrics_address() const {
  const std::scoped_lock lock(metrics_mutex_);
  return metrics_ ? std::optional(metrics_->address()) : std::nullopt;
}

void LivePipeline::close() {
  if (!origin_.is_here()) {
    // Its thread, the engines', and those that hold its locks are the parent's.
    if (is_closed_.exchange(true) || !placed_) return;
    keep_for_ever(std::move(watchdog_));
    keep_for_ever(take_metrics());
    keep_placed();
    return;
  }
  const auto metrics = take_metrics();
  if (metrics) metrics->watch({});  // a scrape that is under way may need the lock
  const std::scoped_lock lock(mutex_);
  if (is_closed_.exchange(true) || !placed_) return;
  constexpr auto kLongest = milliseconds(900);
  const auto until = Clock::now() + kLongest;
  for (const auto& live : engines_) live->engine->refuse();
  if (edges_) edges_->close();
  std::string left;
  for (const auto& live : engines_) {
    (void)live->engine->stop(until);
    if (!live->engine->close(until)) left += (left.empty() ? "engine '" : "', '") + live->engine->name();
  }
  is_running_ = false;
  watchdog_.reset();
  if (!left.empty()) {
    left += '\'';
  } else if (!wait_for_calls(until)) {
    left = "a call";
  }
  for (const auto& live : engines_) {
    const std::scoped_lock lane_lock(live->mutex);
    live->lane.reset();
  }
  if (!left.empty()) {
    leave_alone(left);
    return;
  }
  placed_.reset();
  for (const auto& live : engines_) live->engine->unload();
  info(name_ + " is closed");
}

bool LivePipeline::wait_for_calls(Clock::time_point until) const {
  return std::ranges::all_of(engines_, [&](const auto& live) {
    while (!live->engine->workload().is_idle()) {
      if (Clock::now() >= until) return false;
      std::this_thread::sleep_for(milliseconds(1));
    }
    return true;
  });
}

void LivePipeline::leave_alone(const std::string& who) {
  warn(name_ + ": " + who + " did not end within a second; its lane and memory stay in use until the program ends");
  keep_placed();
}

void LivePipeline::keep_placed() {
  placed_->abandon();
  keep_for_ever(std::move(placed_));
  keep_for_ever(std::move(loaded_));
}

}  // namespace greenlane::runtime
