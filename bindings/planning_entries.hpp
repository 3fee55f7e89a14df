// Profiles and plans of whole pipelines, as JSON: bodies of the functions that torchbind.cpp registers.
#pragma once

#include "interrupt.hpp"

#include <greenlane/detail/runtime/pipeline.hpp>
#include <greenlane/detail/runtime/plan_json.hpp>
#include <greenlane/detail/runtime/planning.hpp>
#include <greenlane/detail/runtime/profile.hpp>
#include <greenlane/detail/runtime/profile_file.hpp>
#include <greenlane/detail/runtime/verification.hpp>

#include <c10/util/Exception.h>

#include <chrono>
#include <string>
#include <utility>

namespace greenlane::bindings {

inline std::chrono::nanoseconds checked_seconds(double seconds) {
  TORCH_CHECK_VALUE(seconds >= 0 && seconds <= 1e6, "a time must be between 0 and 1e6 seconds");
  return runtime::from_seconds(seconds);
}

// Returns a profile as JSON; "" after Ctrl-C.
inline std::string profile_pipeline(const std::string& config, double seconds) {
  const auto most = checked_seconds(seconds);
  return interruptible([&](const std::atomic<bool>* stop) {
    runtime::Pipeline pipeline(without_lanes(runtime::load_config(config)));
    return profile_json(make_profile(pipeline, {.most = most, .stop = stop, .progress = {}}));
  });
}

// Returns a plan as JSON; "" after Ctrl-C. If the given profile is empty, the pipeline is measured first.
inline std::string plan_pipeline(const std::string& file, const std::string& profile, double margin, bool verify,
                                 double seconds, double budget) {
  TORCH_CHECK_VALUE(margin >= 0 && margin <= 10, "a margin must be between 0 and 10");
  runtime::Profile known;
  if (!profile.empty()) {
    known = runtime::read_profile(profile, "what was given");
    const auto config = without_lanes(runtime::load_config(file, runtime::NamedFiles::may_be_missing));
    if (!verify || !why_elsewhere(known, config).empty()) {
      auto request = plan_request(config, known);
      request.margin = margin;
      return plan_json(plan_without_device(config, request), known.device);
    }
  }
  runtime::VerifyOptions options;
  options.each = checked_seconds(seconds);
  options.budget = checked_seconds(budget);
  return interruptible([&](const std::atomic<bool>* stop) {
    runtime::Pipeline pipeline(without_lanes(runtime::load_config(file)));
    if (profile.empty()) known = make_profile(pipeline, {.stop = stop, .progress = {}});
    auto request = plan_request(pipeline.config(), known);
    request.margin = margin;
    options.stop = stop;
    const auto result =
        verify ? verify_plans(pipeline, std::move(request), options) : plan_without_device(pipeline.config(), request);
    require_deadlines(result);
    return plan_json(result, known.device);
  });
}

}  // namespace greenlane::bindings
