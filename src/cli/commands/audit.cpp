#include "cli/commands/audit.hpp"

#include "cli/commands/long_kernels.hpp"
#include "cli/commands/output_files.hpp"
#include "cli/commands/pipeline_setup.hpp"
#include "cli/commands/progress.hpp"
#include "cli/exit_status.hpp"
#include "cli/say.hpp"
#include "cli/stop_signal.hpp"
#include "text/terminal_text.hpp"

#include <greenlane/audit/audit.hpp>
#include <greenlane/core/error.hpp>
#include <greenlane/detail/runtime/output_file.hpp>
#include <greenlane/detail/runtime/plan_file.hpp>
#include <greenlane/detail/runtime/rehearsal.hpp>
#include <greenlane/detail/runtime/report.hpp>
#include <greenlane/detail/runtime/trace.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace greenlane::cli {
namespace {

using runtime::Mode;

// Trace viewers do not cope with more.
constexpr std::size_t kMostKernels = 200'000;

// Refuses a device without CUDA. Called before the models are loaded, which takes long.
void require_gpu(const runtime::PipelineConfig& config) {
  const auto device = Device::open(config.device).id();
  if (device.kind == DeviceKind::cuda) return;
  throw DeviceError({.what = config.file.string() + " cannot be audited on " + to_string(device),
                     .why = "an audit needs CUDA: it reads which kernels a GPU ran, and where",
                     .remedy = "audit it on a machine with an NVIDIA GPU"});
}

void print(const audit::AuditReport& report, const runtime::ModeResult& result) {
  say("\nmode {}\n{}", to_string(result.mode), audit::audit_text(report));
  print_long_kernels(result);
  for (const auto& engine : result.engines) {
    if (!engine.error.empty())
      warn("greenlane: engine '{}': {}\n", text::terminal_text(engine.name), text::terminal_text(engine.error));
  }
}

}  // namespace

int audit(const AuditArguments& arguments) {
  auto config = runtime::load_config(arguments.config);
  const Mode mode = arguments.plan.empty() ? Mode::lanes : apply_plan(config, arguments.plan);
  if (arguments.any_device) config.planned_for.reset();
  request_queues(config);
  require_gpu(config);
  check_outputs({{"--json", arguments.json}, {"--trace", arguments.trace}}, config, {{"the plan", arguments.plan}});
  const Output json(arguments.json);
  const Output trace(arguments.trace);
  const auto& stop = stop_signal();
  auto pipeline = load_pipeline(std::move(config));

  audit::AuditReport report;
  runtime::ModeResult result;
  {
    const Progress progress("auditing");
    std::optional<audit::Audit> audit;
    runtime::RunOptions options;
    options.duration = runtime::from_seconds(arguments.seconds);
    // Nothing is timed, and the pipeline warms the engines up, graphs included, before it calls `before`.
    options.warm_up = runtime::Nanoseconds(0);
    options.trace = static_cast<bool>(trace);
    options.stop = &stop;
    options.progress = [&](double share) { progress.update(share); };
    options.before = [&] { audit.emplace(audit::AuditOptions{.trace = options.trace ? kMostKernels : 0}); };
    options.after = [&] { report = audit.value().stop(); };
    result = rehearse(pipeline, mode, options);
  }
  print(report, result);
  if (json) json.write(audit_results_json(pipeline, report));
  if (trace) {
    result.kernels = std::move(report.trace);
    result.is_audited = true;
    trace.write([&](const runtime::TextSink& sink) { runtime::write_trace({&result, 1}, sink); });
  }
  const bool failed =
      std::ranges::any_of(result.engines, [](const runtime::EngineResult& engine) { return !engine.error.empty(); });
  return failed || !report.is_clean() ? kFailed : kSuccess;
}

}  // namespace greenlane::cli
