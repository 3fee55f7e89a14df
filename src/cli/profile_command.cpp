#include "cli/between.hpp"
#include "cli/commands.hpp"
#include "cli/output_files.hpp"
#include "cli/progress.hpp"
#include "cli/say.hpp"
#include "cli/stop_signal.hpp"
#include "text/duration.hpp"
#include "text/table.hpp"
#include "text/terminal_text.hpp"

#include <greenlane/core/hardware_queues.hpp>
#include <greenlane/runtime/pipeline.hpp>
#include <greenlane/runtime/planning.hpp>
#include <greenlane/runtime/profile.hpp>
#include <greenlane/runtime/report.hpp>

#include <fmt/format.h>

#include <filesystem>
#include <memory>

namespace greenlane::cli {
namespace {

struct Arguments {
  std::filesystem::path config;
  std::filesystem::path out = "profile.json";
  double seconds = 1;
};

void print(const runtime::Profile& profile) {
  std::vector<std::string> header{profile.device.id.kind == DeviceKind::cuda ? "SMs" : "cores"};
  for (const auto& engine : profile.engines) {
    header.push_back(engine.name + " p50");
    header.emplace_back("p99");
  }
  text::Table table(std::move(header), 0);
  for (std::size_t i = 0; i < profile.engines.front().curve.size(); ++i) {
    std::vector<std::string> row{std::to_string(profile.engines.front().curve[i].units.count)};
    for (const auto& engine : profile.engines) {
      row.push_back(text::duration_text(text::to_microseconds(engine.curve[i].p50)));
      row.push_back(text::duration_text(text::to_microseconds(engine.curve[i].p99)));
    }
    table.add(std::move(row));
  }
  say("{}", table.to_string());
  for (const auto& engine : profile.engines) {
    for (const auto& point : engine.gated) {
      say("  {} on {}: {} slices, {} in flight, {:.1f} % slower\n", text::terminal_text(engine.name), point.units.count,
          point.slices, text::duration_text(text::to_microseconds(point.in_flight)), 100 * point.overhead);
    }
  }
}

int profile(const Arguments& arguments) {
  auto config = without_lanes(runtime::load_config(arguments.config));
  check_outputs({{"--out", arguments.out}}, config);
  const auto out = kept_apart(arguments.out);
  const auto& stop = stop_signal();
  auto pipeline = load_pipeline(std::move(config));
  const auto profile = measure_profile(pipeline, arguments.seconds, stop);
  print(profile);
  runtime::write_file(out, profile_json(profile));
  say("written to {}\n", text::terminal_text(arguments.out.string()));
  return kSuccess;
}

}  // namespace

void request_queues(const runtime::PipelineConfig& config) {
  if (config.device != "cpu") (void)request_hardware_queues(streams_of(config));
}

runtime::Pipeline load_pipeline(runtime::PipelineConfig config) {
  request_queues(config);
  auto loading = std::make_unique<Progress>("loading models");
  runtime::Pipeline pipeline(std::move(config));
  loading.reset();
  const auto& info = pipeline.device().info();
  const bool on_gpu = info.id.kind == DeviceKind::cuda;
  const auto queues = on_gpu ? fmt::format(" · {} hardware queues", hardware_queues(info.id).in_force) : std::string();
  say("{} · {} · {} {}{}\n", to_string(info.id), info.name, info.units.count, on_gpu ? "SMs" : "cores", queues);
  return pipeline;
}

runtime::Profile measure_profile(runtime::Pipeline& pipeline, double seconds, const std::atomic<bool>& stop) {
  const Progress progress("profiling");
  runtime::ProfileOptions options;
  options.most = runtime::from_seconds(seconds);
  options.stop = &stop;
  options.progress = [&](double share, const std::string& /*engine*/) { progress.update(share); };
  return make_profile(pipeline, options);
}

void add_profile_command(CLI::App& app, int& status) {
  auto* command = app.add_subcommand("profile", "Measures every engine alone on every size of partition");
  const auto arguments = std::make_shared<Arguments>();
  command->add_option("CONFIG", arguments->config, "The pipeline's TOML file")->check(FileName())->required();
  command->add_option("--out", arguments->out, "Write the profile to this file")
      ->check(FileName())
      ->capture_default_str();
  command->add_option("--seconds", arguments->seconds, "How long to measure an engine on a size at most")
      ->capture_default_str()
      ->check(Between(0.01, 1e6));
  command->callback([arguments, &status] { status = profile(*arguments); });
}

}  // namespace greenlane::cli
