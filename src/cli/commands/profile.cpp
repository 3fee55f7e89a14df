#include "cli/commands/profile.hpp"

#include "cli/commands/output_files.hpp"
#include "cli/commands/pipeline_setup.hpp"
#include "cli/exit_status.hpp"
#include "cli/say.hpp"
#include "cli/stop_signal.hpp"
#include "text/duration.hpp"
#include "text/table.hpp"
#include "text/terminal_text.hpp"

#include <greenlane/detail/runtime/long_kernel.hpp>
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
    if (const auto& kernel = engine.long_kernel)
      say("  {}: {}\n", text::terminal_text(engine.name),
          text::terminal_text(long_kernel_text(*kernel, profile.device.id.kind)));
  }
}

}  // namespace

int profile(const ProfileArguments& arguments) {
  auto config = without_lanes(runtime::load_config(arguments.config));
  const auto outputs = document_outputs(arguments.out, arguments.json, config);
  const auto& stop = stop_signal();
  auto pipeline = load_pipeline(std::move(config));
  const auto profile = measure_profile(pipeline, arguments.seconds, stop);
  const auto json = profile_json(profile);
  if (outputs.file) outputs.file.write(json);
  if (outputs.printed) {
    outputs.printed.write(json);
  } else {
    print(profile);
  }
  if (outputs.file) say("written to {}\n", text::terminal_text(arguments.out.string()));
  return kSuccess;
}

}  // namespace greenlane::cli
