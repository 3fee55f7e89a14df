// CUDA graphs of engines: their options and what they report. An engine's graphs stay on its lane's units, with kernels
// picked for that number of units.
#pragma once

#include <greenlane/core/gate.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace greenlane {

/// resident: an engine's calls are replayed from CUDA graphs while it is bound to a lane.
enum class Graphs { off, resident };

/// The outputs of a replayed call.
enum class GraphOutputs {
  copies,  ///< separate tensors, as from any call
  views,   ///< the graph's own memory, which the engine's next call overwrites; saves a copy
};

/// The choices for an engine's graphs.
struct GraphOptions {
  /// The kind of outputs.
  GraphOutputs outputs = GraphOutputs::copies;
  /// On: libraries such as cuBLAS are told for how many units to pick kernels. Several numbers are captured and timed
  /// once for each partition size and input shape, and the fastest is kept. This runs the model a few dozen times more
  /// on the same inputs; changes made by these runs are undone. The kept graph's time is measured, too. Off: kernels
  /// are picked for the whole device.
  bool tune_kernels = true;
  /// The number of graphs to keep, of different input shapes; the most recently used stay.
  std::size_t capacity = 8;
};

/// One graph of an engine.
struct GraphInfo {
  int units = 0;                              ///< of the lane that it runs on
  std::optional<int> kernel_units;            ///< units that kernels were picked for; absent: the whole device
  std::chrono::nanoseconds time{0};           ///< of the device for one launch, uncut and alone; 0: not measured
  std::uint64_t replays = 0;                  ///< number of launches
  int slices = 1;                             ///< slices of each launch
  std::chrono::nanoseconds longest_slice{0};  ///< as measured, or estimated after a move; 0: neither
  int look_ahead = 0;                         ///< slices that wait on the device behind the running one
  std::string gate_obstacle;                  ///< why it is not cut, though it should be
  std::optional<LongKernel> long_kernel;      ///< a kernel that urgent engines wait for; absent: none, or not measured
  bool moved = false;                         ///< captured on other units; its kernels were picked for those
};

/// The graphs of one engine.
struct GraphReport {
  std::vector<GraphInfo> graphs;  ///< the most recently used first
  std::uint64_t bytes = 0;        ///< device memory that they hold
  std::string obstacle;           ///< why calls of some shape are not captured; empty if none
  std::string move_obstacle;      ///< why graphs did not move along at the last rebind; empty if all did
};

}  // namespace greenlane
