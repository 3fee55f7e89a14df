#include "runtime/rehearsal_trigger.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/core/lane.hpp>
#include <greenlane/core/log.hpp>
#include <greenlane/detail/core/slices_in_flight.hpp>
#include <greenlane/detail/runtime/loaded_pipeline.hpp>
#include <greenlane/detail/runtime/profile.hpp>
#include <greenlane/detail/runtime/rehearsal.hpp>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

namespace greenlane::runtime {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

// How many times longer than asked a point without requests is measured.
constexpr int kMostLooks = 10;

// An engine's stay on a lane. The destructor leaves the engine as it was found.
class Stay {
 public:
  Stay(Workload& workload, const Lane& lane, const GateRole& role) : workload_(workload) {
    workload_.bind(lane);
    try {
      workload_.set_role(role);
    } catch (...) {
      leave();
      throw;
    }
  }
  ~Stay() { leave(); }
  Stay(const Stay&) = delete;
  Stay& operator=(const Stay&) = delete;

 private:
  void leave() noexcept {
    try {
      workload_.set_role({});
      workload_.reset_state();
      workload_.unbind();
    } catch (const std::exception& error) {
      warn(std::string("an engine could not leave its lane: ") + error.what());
    }
  }

  Workload& workload_;
};

bool agree(const LatencyHistogram& one, const LatencyHistogram& other) {
  const auto within = [&](double q, double share) {
    const auto first = static_cast<double>(one.quantile(q).count());
    return std::abs(first - static_cast<double>(other.quantile(q).count())) <= share * first;
  };
  return within(0.5, 0.01) && within(0.99, 0.05);
}

class Profiler {
 public:
  Profiler(LoadedPipeline& pipeline, const ProfileOptions& options) : pipeline_(pipeline), options_(options) {}

  EngineProfile measure(std::size_t index) {
    const auto& engine = pipeline_.config().engines[index];
    EngineProfile profile{.name = engine.name, .curve = {}, .gated = {}, .batch_rows = planned_rows(engine)};
    const auto sizes = this->sizes();
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      if (options_.progress) {
        const auto done = static_cast<double>(index) + static_cast<double>(i) / static_cast<double>(sizes.size());
        options_.progress(done / static_cast<double>(pipeline_.config().engines.size()), engine.name);
      }
      profile.curve.push_back(point_at(index, sizes[i]));
    }
    if (engine.deadline || !engine.gates || pipeline_.device().id().kind != DeviceKind::cuda) return profile;
    // Cutting into slices is measured too and takes some seconds, so only two sizes are tried.
    for (const auto& point : {profile.curve[profile.curve.size() / 2], profile.curve.back()}) {
      if (!profile.gated.empty() && profile.gated.back().units == point.units) continue;
      if (const auto gated = gated_at(index, point, profile.long_kernel)) profile.gated.push_back(*gated);
    }
    return profile;
  }

 private:
  // Returns all sizes of whole groups, and the undivided device.
  [[nodiscard]] std::vector<Units> sizes() const {
    const auto& device = pipeline_.device().info();
    std::vector<Units> sizes;
    if (device.partition_obstacle.empty()) {
      for (int groups = 1; groups <= device.groups; ++groups) {
        const Units units{groups * device.granularity.count};
        if (units.count < device.units.count) sizes.push_back(units);
      }
    }
    sizes.push_back(device.units);
    return sizes;
  }

  [[nodiscard]] Lane lane_of(Units units) const {
    const auto& device = pipeline_.device();
    if (units == device.info().units) return Lane::create(device, {.name = "profile", .priority = {}});
    return Lane::create(device.partition("profile", units.count));
  }

  LatencyPoint point_at(std::size_t index, Units units) {
    auto& engine = *pipeline_.engines()[index];
    const Stay stay(engine.workload(), lane_of(units), {});
    const auto latency = latency_of(engine, pipeline_.config().engines[index]);
    LatencyPoint point{.units = units,
                       .p50 = latency.quantile(0.5),
                       .p99 = latency.quantile(0.99),
                       .mean = latency.mean(),
                       .requests = latency.count()};
    const auto graphs = engine.workload().graphs();
    if (graphs && graphs->time.count() > 0) point.device = std::min(Microseconds(graphs->time), point.mean);
    return point;
  }

  LatencyHistogram latency_of(ServedEngine& engine, const EngineConfig& config) {
    Nanoseconds typical{0};
    engine.run_on_thread([&] { typical = warm_up(engine.workload()); });
    EngineConfig paced = config;
    // Shortens long pauses, which would make the profile slow: an engine that is idle for 2 ms is as slow as it gets.
    if (paced.period)
      paced.period = std::max<Nanoseconds>(2 * typical, std::min<Nanoseconds>(*paced.period, milliseconds(2)));
    paced.arrivals = Arrivals::periodic;
    const auto look = std::clamp<Nanoseconds>(20 * std::max(typical, paced.period.value_or(typical)), milliseconds(100),
                                              std::max<Nanoseconds>(options_.most, milliseconds(100)));
    LatencyHistogram latency;
    Nanoseconds spent{0};
    while (true) {
      const auto before = latency;
      latency.merge(look_at(engine, paced, look));
      spent += look;
      if (before.count() > 0 && agree(before, latency)) return latency;
      if (spent >= options_.most && latency.count() > 0) return latency;
      // A busy machine may begin no request in time. A point without requests is none: it would have a latency of 0.
      if (spent >= kMostLooks * std::max(options_.most, look)) refuse_unserved(config.name);
    }
  }

  [[noreturn]] static void refuse_unserved(const std::string& engine) {
    throw EngineError({.what = "engine '" + engine + "' could not be profiled",
                       .why = "none of its requests was served in time",
                       .remedy = "stop other work on this machine, or measure longer (--seconds)"});
  }

  // Warms the engine up and returns the last latency, or 0 where it may not be warmed up.
  Nanoseconds warm_up(Workload& workload) {
    const auto enough = Clock::now() + milliseconds(100);
    Nanoseconds last{0};
    if (!workload.may_be_warmed_up()) return last;
    for (int runs = 0; runs < 4 || (Clock::now() < enough && runs < 1000); ++runs) {
      check_stop();
      const auto begin = Clock::now();
      workload.run();
      last = Clock::now() - begin;
    }
    workload.reset_state();
    return last;
  }

  LatencyHistogram look_at(ServedEngine& engine, const EngineConfig& config, Nanoseconds duration) {
    check_stop();
    Timetable timetable;
    timetable.begin = Clock::now() + milliseconds(1);
    timetable.measure = timetable.begin;
    timetable.end = timetable.begin + duration;
    if (pipeline_.device().id().kind == DeviceKind::cuda) timetable.spin = kSpin;
    EngineResult result;
    const auto trigger = std::make_shared<RehearsalTrigger>(engine, config, timetable, false, result);
    engine.start(trigger, timetable.spin);
    while (!engine.wait_for_trigger(milliseconds(50))) {
      if (options_.stop && *options_.stop) (void)engine.stop(Clock::time_point::max());
    }
    if (!result.error.empty())
      throw EngineError({.what = "engine '" + config.name + "' could not be profiled",
                         .why = result.error,
                         .remedy = "check the model and its inputs"});
    check_stop();
    return result.latency;
  }

  // Sets `long_kernel` to the kernel that was found, or to nothing.
  std::optional<SlicePoint> gated_at(std::size_t index, const LatencyPoint& whole,
                                     std::optional<ProfiledKernel>& long_kernel) {
    auto& engine = *pipeline_.engines()[index];
    const auto& config = pipeline_.config().engines[index];
    const GateRole role{.urgent = {}, .gated = true, .slice = config.slice, .log = nullptr};
    const Stay stay(engine.workload(), lane_of(whole.units), role);
    const auto latency = latency_of(engine, config);
    const auto graphs = engine.workload().graphs();
    long_kernel.reset();
    if (graphs && graphs->long_kernel) long_kernel = {.units = whole.units, .kernel = *graphs->long_kernel};
    if (!graphs || graphs->slices <= 1) return std::nullopt;
    const double share = whole.mean / Microseconds(latency.mean());
    // The slices of an engine that may not be run again were not measured. One of them may be twice as long as the
    // others.
    const auto longest =
        graphs->longest_slice.count() > 0 ? graphs->longest_slice : 2 * latency.mean() / graphs->slices;
    return SlicePoint{.units = whole.units,
                      .in_flight = detail::time_in_flight(longest, graphs->look_ahead),
                      .overhead = std::clamp(1 - share, 0.0, 0.99),
                      .slices = graphs->slices};
  }

  void check_stop() const {
    if (options_.stop && *options_.stop)
      throw EngineError(
          {.what = "the profile is not complete", .why = "stopped by a signal", .remedy = "start it again"});
  }

  LoadedPipeline& pipeline_;
  const ProfileOptions& options_;
};

}  // namespace

Profile make_profile(LoadedPipeline& pipeline, const ProfileOptions& options) {
  Profile profile{.device = pipeline.device().info(), .engines = {}};
  Profiler profiler(pipeline, options);
  for (std::size_t i = 0; i < pipeline.config().engines.size(); ++i) profile.engines.push_back(profiler.measure(i));
  if (options.progress) options.progress(1, "");
  return profile;
}

}  // namespace greenlane::runtime
