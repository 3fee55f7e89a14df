#include "cli/commands/plan.hpp"

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
#include <greenlane/detail/runtime/long_kernel.hpp>
#include <greenlane/detail/runtime/output_file.hpp>
#include <greenlane/detail/runtime/plan_devices.hpp>
#include <greenlane/detail/runtime/plan_json.hpp>
#include <greenlane/detail/runtime/planning.hpp>
#include <greenlane/detail/runtime/profile_file.hpp>
#include <greenlane/detail/runtime/report.hpp>
#include <greenlane/detail/runtime/verification.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace greenlane::cli {
namespace {

using runtime::from_seconds;
using runtime::PlanCandidate;
using runtime::PlanResult;

// Returns true where plans can be tried here. Says why where they cannot.
bool is_here(const runtime::Profile& profile, const runtime::PipelineConfig& config) {
  const auto why = why_elsewhere(profile, config);
  if (!why.empty()) say("{}: the plan is not verified\n", text::terminal_text(why));
  return why.empty();
}

std::string lanes_text(const PlanCandidate& candidate) {
  if (candidate.mode != runtime::Mode::lanes) return std::string(to_string(candidate.mode));
  std::string text;
  for (const auto& lane : candidate.config.lanes) {
    std::string units = "beside " + lane.beside;
    if (lane.units) units = lane.units->is_rest() ? "rest" : std::to_string(lane.units->units().count);
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", lane.name, units);
    if (!lane.device.empty()) text += " of " + lane.device;
  }
  return text;
}

void print_candidates(const PlanResult& result) {
  if (!result.candidates.front().measured) return;
  text::Table table({"tried", "best effort", "slack", "deadlines"}, 1);
  for (const auto& candidate : result.candidates) {
    const auto& measured = candidate.measured.value();
    const bool chosen = &candidate == &result.candidates[result.chosen];
    table.add({(chosen ? "* " : "  ") + lanes_text(candidate), fmt::format("{:.3f}", measured.throughput),
               fmt::format("{:.2f}", measured.slack), measured.meets_deadlines ? "met" : "missed"});
  }
  say("\n{}", table.to_string());
}

std::string time_or_never(double microseconds) {
  return std::isfinite(microseconds) ? text::duration_text(microseconds) : "never";
}

// Prints the paths with a deadline.
void print_paths(const PlanCandidate& candidate) {
  text::Table table({"path", "p99 predicted", "measured", "deadline"}, 1);
  bool is_any = false;
  for (const auto& path : candidate.config.paths) {
    if (!path.deadline) continue;
    is_any = true;
    std::vector<std::string> row{path.name, "–", "–", text::duration_text(text::to_microseconds(*path.deadline))};
    if (candidate.predicted) {
      const auto found = std::ranges::find(candidate.predicted->paths, path.name, &runtime::PredictedPath::name);
      if (found != candidate.predicted->paths.end()) row[1] = time_or_never(found->p99.count());
    }
    if (candidate.measured) {
      const auto found = std::ranges::find(candidate.measured->paths, path.name, &runtime::PathResult::name);
      if (found != candidate.measured->paths.end() && found->latency.count() > 0)
        row[2] = text::duration_text(text::to_microseconds(found->latency.quantile(0.99)));
    }
    table.add(std::move(row));
  }
  if (is_any) say("\n{}", table.to_string());
}

void print_chosen(const PlanResult& result) {
  const auto& chosen = result.candidates[result.chosen];
  text::Table table({"engine", "lane", "p99 predicted", "measured", "deadline", "rate predicted", "measured"}, 2);
  for (std::size_t i = 0; i < chosen.config.engines.size(); ++i) {
    const auto& engine = chosen.config.engines[i];
    std::vector<std::string> row{engine.name, engine.lane, "–", "–", "–", "–", "–"};
    if (engine.deadline) row[4] = text::duration_text(text::to_microseconds(*engine.deadline));
    if (chosen.predicted) {
      row[2] = time_or_never(chosen.predicted->engines[i].p99.count());
      row[5] = fmt::format("{:.1f} Hz", chosen.predicted->engines[i].rate_hz);
    }
    if (chosen.measured) {
      const auto& measured = chosen.measured->engines[i];
      if (measured.latency.count() > 0)
        row[3] = text::duration_text(text::to_microseconds(measured.latency.quantile(0.99)));
      row[6] = fmt::format("{:.1f} Hz", measured.rate_hz);
    }
    table.add(std::move(row));
  }
  say("\nmode {}: {}\n{}", to_string(chosen.mode), text::terminal_text(lanes_text(chosen)), table.to_string());
  print_paths(chosen);
  for (const auto& line : result.reasons) say("{}\n", text::terminal_text(line));
  if (chosen.plan && !chosen.plan->exact && !chosen.measured)
    say("the search was limited: best-effort throughput could be up to {:.3f} higher\n", chosen.plan->gap);
}

DocumentOutputs outputs_of(const PlanArguments& arguments, const runtime::PipelineConfig& config) {
  return document_outputs(arguments.out, arguments.json, config, {{"the profile", arguments.profile}});
}

struct Made {
  DocumentOutputs outputs;
  PlanResult result;
  DeviceInfo device;
  bool was_stopped = false;  // the search is not complete then
};

// Plans without this machine's device, from the profile alone.
Made predict(const PlanArguments& arguments, const runtime::PipelineConfig& config, const runtime::Profile& profile,
             DocumentOutputs outputs) {
  auto request = plan_request(config, profile);
  request.margin = arguments.margin;
  return {.outputs = std::move(outputs),
          .result = with_reasons(plan_without_device(config, request), profile),
          .device = profile.device};
}

runtime::VerifyOptions verify_options(const PlanArguments& arguments, const Progress& progress) {
  runtime::VerifyOptions options;
  options.each = from_seconds(arguments.seconds);
  options.budget = from_seconds(arguments.budget);
  options.stop = &stop_signal();
  options.progress = [&progress, begin = std::chrono::steady_clock::now(),
                      budget = arguments.budget](const std::string& /*what*/) {
    progress.update(
        std::min(1.0, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() / budget));
  };
  return options;
}

// Measures and plans one device.
PlanResult plan_one(const PlanArguments& arguments, runtime::LoadedPipeline& pipeline, const runtime::Profile& profile,
                    bool tries_modes) {
  auto request = plan_request(pipeline.config(), profile);
  request.margin = arguments.margin;
  if (arguments.only_predict) return with_reasons(plan_without_device(pipeline.config(), request), profile);
  const Progress progress("trying plans");
  auto options = verify_options(arguments, progress);
  options.tries_modes = tries_modes;
  return with_reasons(verify_plans(pipeline, std::move(request), options), profile);
}

// Plans a pipeline on several devices, one after another.
Made plan_apart(const PlanArguments& arguments, const runtime::PipelineConfig& config,
                std::vector<runtime::DevicePlanPart> parts) {
  auto outputs = outputs_of(arguments, config);
  request_queues(config);
  const auto& stop = stop_signal();
  std::vector<PlanResult> results;
  std::optional<DeviceInfo> device;
  for (const auto& part : parts) {
    auto pipeline = load_pipeline(part.config);
    require_divisible(part.config, pipeline.device().info());
    const auto profile = measure_profile(pipeline, 1, stop);
    results.push_back(plan_one(arguments, pipeline, profile, /*tries_modes=*/false));
    if (!device || part.device.empty()) device = pipeline.device().info();
  }
  return {.outputs = std::move(outputs),
          .result = merged_plan(config, parts, results),
          .device = device.value(),
          .was_stopped = stop};
}

Made make_result(const PlanArguments& arguments) {
  std::optional<runtime::Profile> profile;
  if (arguments.profile.empty()) {
    const auto whole = runtime::load_config(arguments.config);
    if (auto parts = device_plan_parts(whole); !parts.empty()) return plan_apart(arguments, whole, std::move(parts));
  }
  std::optional<DocumentOutputs> outputs;
  if (!arguments.profile.empty()) {
    profile = runtime::load_profile(arguments.profile);
    const auto config = without_lanes(runtime::load_config(arguments.config, runtime::NamedFiles::may_be_missing));
    outputs = outputs_of(arguments, config);
    request_queues(config);
    if (arguments.only_predict || !is_here(*profile, config))
      return predict(arguments, config, *profile, std::move(*outputs));
  }
  auto config = without_lanes(runtime::load_config(arguments.config));
  if (!outputs) outputs = outputs_of(arguments, config);
  const auto& stop = stop_signal();
  auto pipeline = load_pipeline(std::move(config));
  if (!profile) profile = measure_profile(pipeline, 1, stop);
  auto result = plan_one(arguments, pipeline, *profile, /*tries_modes=*/true);
  return {.outputs = std::move(*outputs),
          .result = std::move(result),
          .device = pipeline.device().info(),
          .was_stopped = stop};
}

// Half a search, and a plan that misses deadlines, are shown and not written as a plan.
bool is_plan(const Made& made) {
  const auto& measured = made.result.candidates[made.result.chosen].measured;
  return !made.was_stopped && (!measured || measured->meets_deadlines);
}

}  // namespace

int plan(const PlanArguments& arguments) {
  try {
    const auto made = make_result(arguments);
    const auto json = plan_json(made.result, made.device);
    if (is_plan(made) && made.outputs.file) made.outputs.file.write(json);
    if (made.outputs.printed) {
      made.outputs.printed.write(json);
    } else {
      print_candidates(made.result);
      print_chosen(made.result);
    }
    if (made.was_stopped)
      throw EngineError({.what = "no plan was written", .why = "stopped by a signal", .remedy = "start it again"});
    require_deadlines(made.result);
    if (made.outputs.file) say("written to {}\n", text::terminal_text(arguments.out.string()));
    return kSuccess;
  } catch (const PlanError& error) {
    warn("greenlane: {}\n", text::terminal_text(error.what()));
    return kFailed;
  }
}

}  // namespace greenlane::cli
