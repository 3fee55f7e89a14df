#include "cli/profile_command.hpp"

#include "cli/between.hpp"
#include "cli/exit_status.hpp"
#include "cli/output_files.hpp"
#include "cli/pipeline_setup.hpp"
#include "cli/say.hpp"
#include "cli/stop_signal.hpp"
#include "text/duration.hpp"
#include "text/table.hpp"
#include "text/terminal_text.hpp"

#include <greenlane/detail/runtime/output_file.hpp>
#include <greenlane/detail/runtime/planning.hpp>
#include <greenlane/detail/runtime/profile.hpp>
#include <greenlane/detail/runtime/profile_file.hpp>
#include <greenlane/detail/runtime/report.hpp>
#include <greenlane/detail/runtime/results.hpp>

#include <fmt/format.h>

#include <filesystem>
#include <memory>

namespace greenlane::cli {
namespace {

struct ProfileArguments {
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
      row.push_back(text::duration_text(engine.curve[i].p50.count()));
      row.push_back(text::duration_text(engine.curve[i].p99.count()));
    }
    table.add(std::move(row));
  }
  say("{}", table.to_string());
  for (const auto& engine : profile.engines) {
    for (const auto& point : engine.gated) {
      say("  {} on {}: {} slices, {} in flight, {:.1f} % slower\n", text::terminal_text(engine.name), point.units.count,
          point.slices, text::duration_text(point.in_flight.count()), 100 * point.overhead);
    }
  }
}

int profile(const ProfileArguments& arguments) {
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

void add_profile_command(CLI::App& app, int& status) {
  auto* command = app.add_subcommand("profile", "Measures every engine alone on every size of partition");
  const auto arguments = std::make_shared<ProfileArguments>();
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
