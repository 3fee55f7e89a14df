// Stresses gates under load and misuse on a real GPU, to see whether anything hangs, is lost or runs out of order.
//
//   gates_stress OUT.json [PASSES] [SECONDS]     prints a line for each scenario
//
// Engines are chains of kernels. Every launch changes the memory in its own way, so the final memory is right only if
// each slice of each run ran once and in order. Times are for information. The checks are of results, of progress of
// all engines, and, within an order of magnitude, of the limit of a call that does not end. A thread that stands still
// for 20 s ends the program. Status: 0, 1 for a failed check, 2 where there is no GPU, 3 for a hang.
#include "stress/scenarios.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/version.hpp>

#include <cstdio>
#include <exception>
#include <fstream>
#include <functional>
#include <optional>
#include <string>
#include <thread>

namespace {

using greenlane::stress::Json;
using greenlane::stress::Setup;

// Returns the GPU; absent where there is none.
std::optional<greenlane::Device> find_gpu() try {
  return greenlane::Device::open("cuda:0");
} catch (const greenlane::DeviceError& error) {
  std::fprintf(stderr, "gates_stress: there is no GPU to stress: %s\n", error.what());
  return std::nullopt;
}

Json describe(const greenlane::DeviceInfo& info) {
  return {{"id", to_string(info.id)},
          {"name", info.name},
          {"units", info.units.count},
          {"unit", "SM"},
          {"memory_bytes", info.memory_bytes},
          {"compute_capability",
           std::to_string(info.compute_capability / 10) + "." + std::to_string(info.compute_capability % 10)},
          {"driver_version", info.driver_version}};
}

Json run(const std::function<Json()>& scenario) try { return scenario(); } catch (const std::exception& error) {
  return {{"failures", {error.what()}}};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: gates_stress OUT.json [PASSES] [SECONDS]\n");
    return 2;
  }
  const std::uint64_t calls = argc > 2 ? std::stoull(argv[2]) : 1'000'000;
  const std::chrono::seconds seconds(argc > 3 ? std::stoi(argv[3]) : 10);
  const auto device = find_gpu();
  if (!device) return 2;
  bool failed = false;
  try {
    greenlane::stress::Watchdog watchdog(std::chrono::seconds(20));
    const Setup setup{
        .device = *device, .kernel = std::make_shared<const greenlane::stress::Kernel>(*device), .watchdog = watchdog};
    Json json{{"versions", {{"greenlane", greenlane::kVersion}, {"driver", device->info().driver_version}}},
              {"device", describe(device->info())},
              {"host_threads", std::thread::hardware_concurrency()}};
    const auto stress = [&](const std::string& name, const std::function<Json()>& scenario) {
      const auto& result = json["scenarios"][name] = run(scenario);
      const bool succeeded = result["failures"].empty();
      failed = failed || !succeeded;
      std::printf("%s: %s %s\n", name.c_str(), succeeded ? "ok" : "FAILED", result.dump().c_str());
      std::fflush(stdout);
      // Writes the file after each scenario, so that a later hang leaves the earlier results.
      std::ofstream(argv[1]) << json.dump(1) << '\n';
    };
    stress("passes", [&] { return passes(setup, calls); });
    stress("throws", [&] { return throws(setup, 10'000); });
    stress("never_ends", [&] { return never_ends(setup); });
    stress("many_spin", [&] { return many(setup, seconds, greenlane::GateWait::spin); });
    stress("many_block", [&] { return many(setup, seconds, greenlane::GateWait::block); });
    if (!std::ifstream(argv[1]).good()) throw std::runtime_error(std::string(argv[1]) + " could not be written");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "gates_stress: %s\n", error.what());
    return 1;
  }
  return failed ? 1 : 0;
}
