#include "cli/run_command.hpp"

#include "cli/between.hpp"
#include "cli/file_name.hpp"
#include "cli/help_end.hpp"
#include "cli/load_commands.hpp"
#include "cli/metrics_address.hpp"
#include "cli/one_of.hpp"
#include "cli/plan_option.hpp"

#include <memory>

namespace greenlane::cli {

void add_run_command(CLI::App& app, Work& work) {
  auto* command =
      app.add_subcommand("run", "Runs a pipeline and prints latency, rate and deadline misses of every engine");
  const auto arguments = std::make_shared<RunArguments>();
  command->add_option("CONFIG", arguments->config, "The pipeline's TOML file")->check(FileName())->required();
  command
      ->add_option("--mode", arguments->mode,
                   "lanes (the default, or what the plan says), gates, shared (plain streams or threads), priority, or "
                   "compare (all, one after another)")
      ->check(OneOf("mode", {"lanes", "gates", "shared", "priority", "compare"}));
  add_plan_option(*command, arguments->plan, arguments->any_device);
  command
      ->add_option(
          "--graphs", arguments->graphs,
          "CUDA graphs of all engines, whatever CONFIG says: resident, untuned (kernels for the whole device) or "
          "off")
      ->check(OneOf("choice of graphs", {"resident", "untuned", "off"}));
  command->add_option("--seconds", arguments->seconds, "How long to measure each mode")
      ->capture_default_str()
      ->check(Between(0.01, 1e6));
  command->add_option("--spin-ms", arguments->spin_ms, "How long a thread spins before an arrival, on a GPU")
      ->check(Between(0.0, 1e6))
      ->capture_default_str();
  command->add_flag("--check", arguments->check, "Compare outputs with the expected ones");
  command->add_option("--json", arguments->json, "Write the results to this file")->check(FileName());
  command->add_option("--trace", arguments->trace, "Write a trace that ui.perfetto.dev opens to this file")
      ->check(FileName());
  command
      ->add_option("--metrics", arguments->metrics,
                   "Serve metrics for Prometheus at HOST:PORT, or at a port of this machine, while it runs")
      ->check(MetricsAddress());
  command->footer(help_end("an engine failed, its outputs were wrong, PyTorch is not there, or printing failed",
                           {"greenlane run pipeline.toml --seconds 2 --check",
                            "greenlane run pipeline.toml --mode compare --seconds 2 --json results.json",
                            "greenlane run pipeline.toml --seconds 2 --json - > results.json"}));
  command->callback([arguments, &work] { work = [arguments] { return load_commands().run(*arguments); }; });
}

}  // namespace greenlane::cli
