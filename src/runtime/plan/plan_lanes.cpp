#include <greenlane/core/error.hpp>
#include <greenlane/detail/runtime/plan_lanes.hpp>
#include <greenlane/detail/runtime/planning.hpp>

#include <algorithm>
#include <chrono>

namespace greenlane::runtime {

bool leaves_all_open(const PipelineConfig& config) {
  return config.engines.size() > 1 && config.lanes.size() == config.engines.size() &&
         std::ranges::all_of(
             config.lanes, [](const auto& lane) { return !lane.units && lane.beside.empty() && lane.device.empty(); });
}

PlannedLanes plan_lanes(LoadedPipeline& pipeline, ProfileOptions options) {
  constexpr Nanoseconds kQuick = std::chrono::milliseconds(200);
  options.most = std::min(options.most, kQuick);
  try {
    const auto profile = make_profile(pipeline, options);
    auto result = plan_without_device(pipeline.config(), plan_request(pipeline.config(), profile));
    return {.config = std::move(result.candidates[result.chosen].config), .obstacle = {}};
  } catch (const Error& error) {
    return {.config = pipeline.config(), .obstacle = error.what()};
  }
}

}  // namespace greenlane::runtime
