// The pipeline that one TOML file describes. docs/configuration.md is the contract.
#pragma once

#include <greenlane/core/device.hpp>
#include <greenlane/core/units.hpp>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace greenlane::runtime {

using Nanoseconds = std::chrono::nanoseconds;

// As files and command lines give them; to the nanosecond. No more than some centuries.
[[nodiscard]] inline Nanoseconds from_seconds(double seconds) {
  return Nanoseconds(static_cast<Nanoseconds::rep>(std::llround(seconds * 1e9)));
}

struct EngineConfig {
  std::string name;
  std::filesystem::path model;
  std::filesystem::path inputs;
  // Expected outputs; empty where there are none.
  std::filesystem::path outputs;
  // Time between two arrivals; absent: best effort, back to back.
  std::optional<Nanoseconds> period;
  // Absent for best-effort engines; an engine with a rate and no deadline has its period for one.
  std::optional<Nanoseconds> deadline;
  // Name of its lane: its own name unless the file names another.
  std::string lane;
  // On a GPU: whether its calls are replayed from CUDA graphs, and those have kernels picked for its lane's units.
  bool graphs = true;
  bool tune_kernels = true;
  // It keeps state that its package does not show: nothing but its requests runs it.
  bool stateful = false;
  // Of a best-effort engine that shares units with urgent ones: whether it lets them pass, and how long its slices may
  // be; absent: as short as costs little.
  bool gates = true;
  std::optional<Nanoseconds> slice;
  // Of a plan: on its lane it takes turns with urgent engines instead.
  bool takes_turns = false;
  // Whether requests come at random, as many a second in the mean, and not one period after another.
  bool poisson = false;
  // What a best-effort engine's rate is worth to a plan, against others'.
  double weight = 1;
};

struct LaneConfig {
  std::string name;
  // Absent: the program divides what is left.
  std::optional<UnitRequest> units;
  // In mode lanes, the lane on whose units this one is, too; empty: it has its own.
  std::string beside{};
};

// The device that a plan says it is for, as far as it says so.
struct PlannedDevice {
  std::filesystem::path plan;
  std::optional<DeviceKind> kind{};
  std::string name{};  // empty: any
  std::optional<Units> units{};
  std::string torch{};  // the version of PyTorch that it was made with; empty: any
};

struct PipelineConfig {
  std::filesystem::path file;
  std::string device = "auto";
  std::vector<std::filesystem::path> libraries;
  std::vector<EngineConfig> engines;  // in the order of the file
  std::vector<LaneConfig> lanes;      // those that engines use, in the order of first use
  // Set by apply_plan. A Pipeline on another device is refused; absent: lanes fit any device.
  std::optional<PlannedDevice> planned_for{};
};

// Whether the files that a configuration names must be there: a plan can be made without them.
enum class NamedFiles { must_exist, may_be_missing };

// Reads and checks the file: syntax, unknown keys, missing files, impossible numbers, lanes nobody uses. Paths in it
// are relative to it. Throws ConfigError naming the file, the line and the key.
[[nodiscard]] PipelineConfig load_config(const std::filesystem::path& file, NamedFiles files = NamedFiles::must_exist);

// The streams that the pipeline has in use at once on its device, in any mode and with any plan: its lanes, or one for
// each engine, and the default stream. For request_hardware_queues().
[[nodiscard]] int streams_of(const PipelineConfig& config);

}  // namespace greenlane::runtime
