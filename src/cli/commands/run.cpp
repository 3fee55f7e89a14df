#include "cli/commands/run.hpp"

#include "cli/commands/long_kernels.hpp"
#include "cli/commands/output_files.hpp"
#include "cli/commands/pipeline_setup.hpp"
#include "cli/commands/progress.hpp"
#include "cli/exit_status.hpp"
#include "cli/say.hpp"
#include "cli/stop_signal.hpp"
#include "text/duration.hpp"
#include "text/table.hpp"
#include "text/terminal_text.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/detail/runtime/metrics_endpoint.hpp>
#include <greenlane/detail/runtime/output_file.hpp>
#include <greenlane/detail/runtime/plan_file.hpp>
#include <greenlane/detail/runtime/plan_lanes.hpp>
#include <greenlane/detail/runtime/rehearsal.hpp>
#include <greenlane/detail/runtime/report.hpp>
#include <greenlane/detail/runtime/trace.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace greenlane::cli {
namespace {

using runtime::EngineResult;
using runtime::Mode;
using runtime::ModeResult;
using runtime::Nanoseconds;

static_assert(kSpinMs * 1e6 == runtime::kSpin.count());

std::vector<Mode> modes_of(std::string_view name) {
  if (name.empty()) return {Mode::lanes};
  if (name == "compare") return {runtime::kAllModes.begin(), runtime::kAllModes.end()};
  return {runtime::mode_named(name).value()};  // the program refused all other names
}

// Returns "48 SMs", "core 1" or "cores 0,2". Cores have numbers, because engines may have to share them.
std::string place_text(const EngineResult& engine, const Device& device) {
  if (engine.cpus.empty()) return units_text(device.id().kind, {engine.units});
  return fmt::format("{} {}", engine.cpus.size() == 1 ? "core" : "cores", fmt::join(engine.cpus, ","));
}

// Sets `graphs` and `tune_kernels` of all engines.
void apply_graphs(runtime::PipelineConfig& config, const std::string& graphs) {
  for (auto& engine : config.engines) {
    engine.graphs = graphs != "off";
    engine.tune_kernels = graphs == "resident";
  }
}

// Returns "no", "yes", or "96 SMs" for kernels that were picked for 96 SMs.
std::string graph_text(const EngineResult& engine) {
  if (!engine.graphs || engine.graphs->replays == 0) return "no";
  return engine.graphs->kernel_units ? fmt::format("{} SMs", *engine.graphs->kernel_units) : "yes";
}

std::string_view checked_text(const EngineResult& engine) {
  if (!engine.checked) return "–";
  return *engine.checked ? "ok" : "WRONG";
}

// Returns the p99 as a multiple of the p99 in the first mode.
std::string ratio_text(const EngineResult& engine, const ModeResult& first) {
  const auto same = std::ranges::find(first.engines, engine.name, &EngineResult::name);
  if (same == first.engines.end() || same->latency.count() == 0 || engine.latency.count() == 0) return "–";
  return fmt::format("{:.2f} ×", text::to_microseconds(engine.latency.quantile(0.99)) /
                                     text::to_microseconds(same->latency.quantile(0.99)));
}

// Prints what a request is, where that is a batch.
void print_batches(const ModeResult& result) {
  for (const auto& engine : result.engines) {
    if (engine.batch_rows)
      say("  {}: runs of {} rows, whose deadline begins when they are complete\n", text::terminal_text(engine.name),
          *engine.batch_rows);
  }
}

// Prints the paths, and the ages of the engines' inputs.
void print_edges(const ModeResult& result) {
  const auto time = [](Nanoseconds duration) { return text::duration_text(text::to_microseconds(duration)); };
  if (!result.paths.empty()) {
    text::Table table({"path", "items", "p50", "p99", "max", "deadline", "misses", "dropped"}, 1);
    for (const auto& path : result.paths) {
      const bool has_items = path.latency.count() > 0;
      table.add({path.name, std::to_string(path.latency.count()), has_items ? time(path.latency.quantile(0.5)) : "–",
                 has_items ? time(path.latency.quantile(0.99)) : "–", has_items ? time(path.latency.max()) : "–",
                 path.deadline ? time(*path.deadline) : "–", path.deadline ? std::to_string(path.misses) : "–",
                 std::to_string(path.dropped)});
    }
    say("\n{}", table.to_string());
  }
  for (const auto& engine : result.engines) {
    if (engine.ages.count > 0)
      say("  inputs of {}: age {} (median), {} (p99)\n", text::terminal_text(engine.name), time(engine.ages.p50),
          time(engine.ages.p99));
    if (!engine.is_triggered)
      say("  nothing makes {} run in a rehearsal, because it has `on = []`\n", text::terminal_text(engine.name));
    if (engine.not_ready + engine.stale > 0)
      say("  {} skipped {} runs without inputs, and {} with inputs that were too old\n",
          text::terminal_text(engine.name), engine.not_ready, engine.stale);
  }
}

void print_mode(const ModeResult& result, const ModeResult& first, const Device& device) {
  const bool compared = &result != &first;
  const bool on_gpu = device.id().kind == DeviceKind::cuda;
  std::vector<std::string> header{"engine", "lane", "units",    "rate",   "p50",
                                  "p99",    "max",  "deadline", "misses", "outputs"};
  if (on_gpu) header.emplace_back("graph for");
  if (compared) header.push_back(fmt::format("p99 / {}", to_string(first.mode)));
  text::Table table(std::move(header), 2);
  for (const auto& engine : result.engines) {
    const auto latency = [&](double q) {
      return engine.latency.count() ? text::duration_text(text::to_microseconds(engine.latency.quantile(q))) : "–";
    };
    std::vector<std::string> row{
        engine.name,
        engine.lane,
        place_text(engine, device),
        fmt::format("{:.1f} Hz", engine.rate_hz),
        latency(0.5),
        latency(0.99),
        engine.latency.count() ? text::duration_text(text::to_microseconds(engine.latency.max())) : "–",
        engine.deadline ? text::duration_text(text::to_microseconds(*engine.deadline)) : "–",
        engine.deadline ? fmt::format("{} of {}", engine.misses, engine.requests) : "–",
        std::string(checked_text(engine))};
    if (on_gpu) row.push_back(graph_text(engine));
    if (compared) row.push_back(ratio_text(engine, first));
    table.add(std::move(row));
  }
  say("\nmode {}{}\n{}", to_string(result.mode),
      result.stopped_early
          ? fmt::format(" (stopped after {:.1f} s)", std::chrono::duration<double>(result.measured).count())
          : "",
      table.to_string());
  print_batches(result);
  print_edges(result);
  if (result.gate) {
    say("  gate: {} urgent calls passed, {} of them beside best effort; it was held {} times, {} in all, {} at most\n",
        result.gate->passes, result.gate->beside, result.gate->held,
        text::duration_text(text::to_microseconds(result.gate->held_time)),
        text::duration_text(text::to_microseconds(result.gate->longest_held)));
    if (result.gate->limits_hit > 0)
      warn(
          "greenlane: {} urgent calls exceeded the gate's limit of five deadlines, so the gate opened without them: "
          "give the engine a longer deadline\n",
          result.gate->limits_hit);
  }
  print_long_kernels(result);
  for (const auto& engine : result.engines) {
    const bool is_advised = engine.delays_urgent && engine.graphs && engine.graphs->long_kernel;
    if (engine.graphs && !engine.graphs->gate_obstacle.empty() && !is_advised)
      warn("greenlane: engine '{}' has no gates: its graph cannot be cut ({})\n", text::terminal_text(engine.name),
           text::terminal_text(engine.graphs->gate_obstacle));
    if (engine.error.empty()) continue;
    // An error that an engine threw names the engine.
    const bool is_named = engine.error.starts_with("engine '" + engine.name + "'");
    warn("greenlane: {}\n",
         text::terminal_text(is_named ? engine.error : "engine '" + engine.name + "': " + engine.error));
  }
}

// Plans lanes that the file leaves open. Says that they are planned, or why they are divided evenly.
runtime::PipelineConfig plan_open_lanes(runtime::LoadedPipeline& pipeline, const std::atomic<bool>& stop) {
  auto planned = [&] {
    const Progress progress("profiling");
    return plan_lanes(pipeline, profile_options(progress, stop));
  }();
  const std::string file = text::terminal_text(pipeline.config().file.filename().string());
  if (planned.obstacle.empty()) {
    say("{} sets no units: they are planned from a quick profile (`greenlane plan` tries plans, and writes one)\n",
        file);
  } else if (!stop) {
    say("{} sets no units, and they are divided evenly: {}\n", file, text::terminal_text(planned.obstacle));
  }
  return std::move(planned.config);
}

// Returns null for an empty address.
std::unique_ptr<runtime::MetricsEndpoint> serve_metrics(const std::string& address) {
  if (address.empty()) return nullptr;
  auto metrics = std::make_unique<runtime::MetricsEndpoint>(address);
  say("metrics at http://{}/metrics\n", metrics->address());
  (void)std::fflush(stdout);  // for a program that waits for the port
  return metrics;
}

}  // namespace

int run(const RunArguments& arguments) {
  auto modes = modes_of(arguments.mode);  // before anything is read
  auto config = runtime::load_config(arguments.config);
  if (!arguments.plan.empty()) {
    const auto planned = apply_plan(config, arguments.plan);
    if (arguments.mode.empty()) modes = {planned};
    if (arguments.any_device) config.planned_for.reset();
  }
  if (!arguments.graphs.empty()) apply_graphs(config, arguments.graphs);
  check_outputs({{"--json", arguments.json}, {"--trace", arguments.trace}}, config, {{"the plan", arguments.plan}});
  const Output json(arguments.json);
  const Output trace(arguments.trace);
  const auto& stop = stop_signal();
  const auto metrics = serve_metrics(arguments.metrics.value_or(config.metrics));

  auto pipeline = load_pipeline(std::move(config));
  const auto as_written = pipeline.config();
  auto planned = as_written;
  const bool has_lanes = std::ranges::find(modes, Mode::lanes) != modes.end();
  if (has_lanes && arguments.plan.empty() && leaves_all_open(pipeline.config()) &&
      pipeline.device().info().partition_obstacle.empty())
    planned = plan_open_lanes(pipeline, stop);

  std::vector<ModeResult> results;
  results.reserve(modes.size());
  for (const Mode mode : modes) {
    if (stop) break;
    pipeline.place(mode == Mode::lanes ? planned : as_written);
    {
      const Progress progress(fmt::format("running mode {}", to_string(mode)));
      runtime::RunOptions options;
      options.duration = runtime::from_seconds(arguments.seconds);
      options.spin = runtime::from_seconds(arguments.spin_ms / 1e3);
      options.check = arguments.check;
      options.trace = static_cast<bool>(trace);
      options.stop = &stop;
      options.progress = [&](double share) { progress.update(share); };
      options.metrics = metrics.get();
      results.push_back(rehearse(pipeline, mode, options));
    }
    print_mode(results.back(), results.front(), pipeline.device());
  }
  if (results.empty())
    throw EngineError(
        {.what = "nothing was run", .why = "stopped by a signal before the first run", .remedy = "start it again"});
  if (json) json.write(results_json(pipeline, results));
  if (trace) trace.write([&](const runtime::TextSink& sink) { runtime::write_trace(results, sink); });
  const bool failed = std::ranges::any_of(results, [](const ModeResult& result) {
    return std::ranges::any_of(result.engines, [](const EngineResult& engine) { return !engine.error.empty(); });
  });
  return failed ? kFailed : kSuccess;
}

}  // namespace greenlane::cli
