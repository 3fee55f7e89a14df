#include "cli/commands/pipeline_setup.hpp"

#include "cli/say.hpp"

#include <greenlane/core/hardware_queues.hpp>
#include <greenlane/detail/runtime/rehearsal.hpp>

#include <fmt/format.h>

#include <memory>
#include <string>
#include <utility>

namespace greenlane::cli {

void request_queues(const runtime::PipelineConfig& config) {
  if (config.device != "cpu") (void)request_hardware_queues(streams_of(config));
}

runtime::LoadedPipeline load_pipeline(runtime::PipelineConfig config) {
  request_queues(config);
  auto loading = std::make_unique<Progress>("loading models");
  runtime::LoadedPipeline pipeline(std::move(config));
  require_recorded_items(pipeline);
  loading.reset();
  const auto& info = pipeline.device().info();
  const bool on_gpu = info.id.kind == DeviceKind::cuda;
  const auto queues = on_gpu ? fmt::format(" · {} hardware queues", hardware_queues(info.id).in_force) : std::string();
  say("{} · {} · {}{}\n", to_string(info.id), info.name, units_text(info.id.kind, info.units), queues);
  return pipeline;
}

runtime::ProfileOptions profile_options(const Progress& progress, const std::atomic<bool>& stop) {
  runtime::ProfileOptions options;
  options.stop = &stop;
  options.progress = [&](double share, const std::string& /*engine*/) { progress.update(share); };
  return options;
}

runtime::Profile measure_profile(runtime::LoadedPipeline& pipeline, double seconds, const std::atomic<bool>& stop) {
  const Progress progress("profiling");
  auto options = profile_options(progress, stop);
  options.most = runtime::from_seconds(seconds);
  return make_profile(pipeline, options);
}

}  // namespace greenlane::cli
