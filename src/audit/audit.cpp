#include "audit/attribute.hpp"
#include "audit/call_sites.hpp"
#include "audit/recorder.hpp"
#include "audit/survey.hpp"
#include "audit/traced.hpp"

#include <greenlane/audit/audit.hpp>
#include <greenlane/core/device.hpp>
#include <greenlane/core/error.hpp>
#include <greenlane/core/log.hpp>
#include <greenlane/detail/core/process.hpp>
#include <greenlane/detail/torch/profiling.hpp>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <set>
#include <string>
#include <utility>

namespace greenlane::audit {
namespace {

std::atomic<bool>& under_way() {
  static detail::PerProcess<std::atomic<bool>> one;
  return one.get();
}

// The call site of the work that shows, at the end, whether work is still recorded.
constexpr std::uint32_t kWitness = 0xFFFF'FFFF;

// The right to audit, which only one audit has at a time.
class Turn {
 public:
  Turn() {
    if (!under_way().exchange(true)) return;
    throw AuditError({.what = "an audit cannot begin",
                      .why = "another one is under way, and CUPTI supports one subscriber at a time",
                      .remedy = "end that one first"});
  }
  ~Turn() {
    if (origin_.is_here()) under_way().store(false);
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  detail::Origin origin_;
};

void require_gpu() {
  const auto devices = Device::enumerate();
  if (std::ranges::any_of(devices, [](const auto& info) { return info.id.kind == DeviceKind::cuda; })) return;
  throw AuditError(
      {.what = "an audit cannot be made",
       .why = "it needs CUDA, and there is no GPU here that can be used",
       .remedy = "audit on a machine with one; on a CPU lanes are threads that are pinned to their cores"});
}

void require_no_profiler(const char* what) {
  if (!profiler_is_running()) return;
  throw AuditError({.what = what,
                    .why = "PyTorch's profiler is running, and CUPTI supports one subscriber at a time",
                    .remedy = "end the profiler first, and profile in another run"});
}

// Throws where the witness was not recorded: a profiler that came and went has the records, and has switched them off.
void require_witness(const ActivityLog::Contents& contents) {
  if (std::ranges::any_of(contents.activities, [](const auto& activity) { return activity.site == kWitness; })) return;
  throw AuditError({.what = "the audit has no result",
                    .why = "another CUPTI user, such as PyTorch's profiler, took the last records",
                    .remedy = "disable it during the audit"});
}

// Returns true where PyTorch's pool may be the reason for a stray.
bool has_side_streams(const AuditReport& report) {
  return std::ranges::any_of(report.engines, [](const auto& engine) {
    return std::ranges::any_of(engine.strays, [](const auto& stray) { return stray.cause == StrayCause::side_stream; });
  });
}

}  // namespace

struct Audit::Impl {
  explicit Impl(const AuditOptions& options) : log(options.trace) {}
  Turn turn{};
  Recorder* recorder = nullptr;
  ActivityLog log;
  Scene scene;
  bool is_open = false;
  detail::Origin origin{};

  void start() {
    require_gpu();
    require_no_profiler("an audit cannot begin");
    recorder = &audit::recorder();
    synchronize_devices();  // earlier work is not audited
    survey_lanes(*recorder, scene);
    // Begins before the recorder, so that the call site of every recorded launch can be known.
    CallSites::instance().begin(*recorder);
    is_open = true;
    recorder->start(log);
  }

  void end() noexcept {
    if (!std::exchange(is_open, false) || !origin.is_here()) return;  // a forked child's CUPTI may wait for ever
    recorder->stop();
    CallSites::instance().end();
  }

  // Enqueues work whose record must be there at the end. Returns false where it enqueued none.
  bool leave_witness() const {
    recorder->push(kWitness);
    const bool done = touch_gpu();
    recorder->pop();
    return done;
  }

  AuditReport judge(bool has_witness) {
    auto calls = CallSites::instance().take();
    scene.sites = std::move(calls.sites);
    survey_lanes(*recorder, scene);
    auto contents = log.take();
    if (has_witness) require_witness(contents);
    auto devices = calls.devices;
    for (const auto& activity : contents.activities) devices.insert(static_cast<int>(activity.device));
    for (const int device : devices) survey_device(*recorder, device, scene);
    add_contexts(contents.contexts, scene);
    note_use(contents.activities, scene);
    auto report = attribute(contents.activities, scene);
    if (has_side_streams(report)) {
      for (const int device : devices) survey_pool(*recorder, pool_streams(DeviceId{DeviceKind::cuda, device}), scene);
      report = attribute(contents.activities, scene);
    }
    report.trace = traced(contents, scene);
    report.trace_is_cut = contents.spans_are_cut;
    report.dropped = contents.dropped;
    return report;
  }
};

Audit::Audit(const AuditOptions& options) : impl_(std::make_unique<Impl>(options)) {
  try {
    impl_->start();
  } catch (...) {
    impl_->end();
    throw;
  }
}

Audit::~Audit() {
  if (impl_) impl_->end();
}

AuditReport Audit::stop() {
  if (!impl_ || !impl_->is_open)
    throw AuditError({.what = "an audit cannot end", .why = "it has ended", .remedy = "begin another one"});
  if (!impl_->origin.is_here()) {
    throw AuditError({.what = "the audit has no result in this process",
                      .why = "it was begun before fork() in the parent process",
                      .remedy = "end it where it was begun; a forked process can use no GPU"});
  }
  const auto impl = std::move(impl_);  // gives up its turn in any case
  struct End {
    Impl& of;
    ~End() { of.end(); }
  } const at_the_end{*impl};
  require_no_profiler("the audit has no result");
  synchronize_devices();
  const bool has_witness = impl->leave_witness();
  synchronize_devices();
  impl->end();
  return impl->judge(has_witness);
}

}  // namespace greenlane::audit
