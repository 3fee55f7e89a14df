#include "planning.hpp"

#include "interrupt.hpp"
#include "module.hpp"

#include <greenlane/detail/runtime/loaded_pipeline.hpp>
#include <greenlane/detail/runtime/long_kernel.hpp>
#include <greenlane/detail/runtime/plan_devices.hpp>
#include <greenlane/detail/runtime/plan_json.hpp>
#include <greenlane/detail/runtime/planning.hpp>
#include <greenlane/detail/runtime/profile.hpp>
#include <greenlane/detail/runtime/profile_file.hpp>
#include <greenlane/detail/runtime/verification.hpp>

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace greenlane::bindings {
namespace {

std::chrono::nanoseconds checked_seconds(double seconds) {
  TORCH_CHECK_VALUE(seconds >= 0 && seconds <= 1e6, "a time must be between 0 and 1e6 seconds");
  return runtime::from_seconds(seconds);
}

// Returns a profile as JSON; nothing after Ctrl-C.
std::optional<std::string> profile_pipeline(const std::string& config, double seconds,
                                            const std::vector<ModulePtr>& modules) {
  const auto most = checked_seconds(seconds);
  return interruptible([&](const std::atomic<bool>* stop) {
    runtime::LoadedPipeline pipeline(without_lanes(runtime::load_config(config)), {.modules = loader_of(modules)});
    return profile_json(make_profile(pipeline, {.most = most, .stop = stop, .progress = {}}));
  });
}

runtime::PlanResult plan_one(runtime::LoadedPipeline& pipeline, const runtime::Profile& known, double margin,
                             bool verify, const runtime::VerifyOptions& options) {
  auto request = plan_request(pipeline.config(), known);
  request.margin = margin;
  auto result =
      verify ? verify_plans(pipeline, std::move(request), options) : plan_without_device(pipeline.config(), request);
  return with_reasons(std::move(result), known);
}

// Plans a pipeline on several devices, one after another.
std::string plan_apart(const runtime::PipelineConfig& config, std::span<const runtime::DevicePlanPart> parts,
                       double margin, bool verify, runtime::VerifyOptions options,
                       const std::vector<ModulePtr>& modules) {
  std::vector<runtime::PlanResult> results;
  std::optional<DeviceInfo> device;
  options.tries_modes = false;
  for (const auto& part : parts) {
    runtime::LoadedPipeline pipeline(part.config, {.modules = loader_of(modules)});
    require_divisible(part.config, pipeline.device().info());
    const auto known = make_profile(pipeline, {.stop = options.stop, .progress = {}});
    results.push_back(plan_one(pipeline, known, margin, verify, options));
    if (!device || part.device.empty()) device = pipeline.device().info();
  }
  const auto merged = merged_plan(config, parts, results);
  require_deadlines(merged);
  return plan_json(merged, device.value());
}

// Returns a plan as JSON; nothing after Ctrl-C. Without a profile, the pipeline is measured first.
std::optional<std::string> plan_pipeline(const std::string& file, const std::optional<std::string>& profile,
                                         double margin, bool verify, double seconds, double budget,
                                         const std::vector<ModulePtr>& modules) {
  TORCH_CHECK_VALUE(margin >= 0 && margin <= 10, "a margin must be between 0 and 10");
  runtime::Profile known;
  if (profile) {
    known = runtime::read_profile(*profile, "what was given");
    const auto config = without_lanes(runtime::load_config(file, runtime::NamedFiles::may_be_missing));
    if (!verify || !why_elsewhere(known, config).empty()) {
      auto request = plan_request(config, known);
      request.margin = margin;
      return plan_json(with_reasons(plan_without_device(config, request), known), known.device);
    }
  }
  runtime::VerifyOptions options;
  options.each = checked_seconds(seconds);
  options.budget = checked_seconds(budget);
  return interruptible([&](const std::atomic<bool>* stop) {
    options.stop = stop;
    const auto whole = runtime::load_config(file);
    const auto parts = device_plan_parts(whole);
    if (!profile && !parts.empty()) return plan_apart(whole, parts, margin, verify, options, modules);
    runtime::LoadedPipeline pipeline(without_lanes(whole), {.modules = loader_of(modules)});
    if (!profile) known = make_profile(pipeline, {.stop = stop, .progress = {}});
    const auto result = plan_one(pipeline, known, margin, verify, options);
    require_deadlines(result);
    return plan_json(result, known.device);
  });
}

}  // namespace

void register_planning(torch::Library& library) {
  library.def("profile_pipeline(str config, float seconds, __torch__.torch.classes.greenlane.Module[] modules) -> str?",
              profile_pipeline);
  library.def(
      "plan_pipeline(str config, *, str? profile, float margin, bool verify, float seconds, float budget, "
      "__torch__.torch.classes.greenlane.Module[] modules) -> str?",
      plan_pipeline);
}

}  // namespace greenlane::bindings
