// Live figures of a pipeline.
#pragma once

#include <greenlane/core/gate.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace greenlane {

/// The bounds that LatencyFigures::up_to counts by, in seconds.
inline constexpr std::array kLatencyBounds{50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3,
                                           50e-3, 100e-3, 250e-3, 500e-3, 1.0,  2.5,    5.0,  10.0};

/// Latencies from the arrival to the end of the work on the device.
struct LatencyFigures {
  std::uint64_t count = 0;          ///< number of runs
  std::chrono::nanoseconds p50{0};  ///< median; 0 without runs, as the following figures
  std::chrono::nanoseconds p90{0};  ///< latency that 90 of 100 runs do not exceed
  std::chrono::nanoseconds p99{0};  ///< latency that 99 of 100 runs do not exceed
  std::chrono::nanoseconds max{0};  ///< longest latency
  std::chrono::nanoseconds sum{0};  ///< of all latencies
  /// For each bound the number of runs that took no longer, exact to 1/128 of the bound.
  std::array<std::uint64_t, kLatencyBounds.size()> up_to{};
};

/// The runs of one engine since the pipeline was opened.
struct RunFigures {
  std::uint64_t runs = 0;  ///< requests and runs of timers that ended with outputs
  std::uint64_t calls =
      0;  ///< calls on a GPU, which return before their work is done; 0 on a CPU, where calls are runs
  std::uint64_t failed = 0;        ///< runs and calls that ended with the engine's error
  std::uint64_t misses = 0;        ///< runs later than the deadline, skipped ticks, and requests dropped when late
  std::uint64_t skipped = 0;       ///< ticks of a timer that passed while the engine was busy
  std::uint64_t dropped = 0;       ///< requests whose deadline passed before they began
  std::uint64_t rejected = 0;      ///< requests that found the queue full, or were beyond the limits of their tenant
  std::uint64_t cancelled = 0;     ///< requests that were cancelled before they began
  double rate_hz = 0;              ///< runs per second in the window
  LatencyFigures recent;           ///< runs in the window, the last ten seconds
  LatencyFigures whole;            ///< all runs
  LatencyFigures waits;            ///< all runs, from the arrival to the start only
  std::uint64_t not_ready = 0;     ///< runs that were skipped because an edge had no value yet
  std::uint64_t stale = 0;         ///< runs that were skipped because their inputs were older than `max_age_ms`
  std::uint64_t batches = 0;       ///< runs that served requests together; 0 without `max_batch`
  std::uint64_t batch_rows = 0;    ///< rows of requests in them
  std::uint64_t padding_rows = 0;  ///< rows that filled them up to a listed size
  LatencyFigures ages;             ///< ages of the inputs of all runs from edges, at their starts
};

/// A run that missed its deadline, or that was not made in time.
struct Miss {
  /// The way in which it was missed.
  enum class Kind {
    late,     ///< it ended after its deadline
    skipped,  ///< ticks of a timer passed while the engine was busy
    dropped,  ///< the deadline of a request passed before it began
  };
  std::string engine;                    ///< the engine's name
  Kind kind = Kind::late;                ///< the way in which it was missed
  std::chrono::nanoseconds latency{0};   ///< from the arrival until now
  std::chrono::nanoseconds deadline{0};  ///< of the engine or the request
};

/// The way of a source's items to the results of an engine.
struct PathFigures {
  std::uint64_t items = 0;    ///< items that a result contained
  std::uint64_t misses = 0;   ///< those of them whose latency was longer than the path's deadline
  std::uint64_t dropped = 0;  ///< items that no result contained, though one contained a newer item
  LatencyFigures recent;      ///< from publication to the first result that contained the item, in the last ten seconds
  LatencyFigures whole;       ///< the same for all items
};

/// The CUDA graphs of an engine.
struct GraphFigures {
  std::uint64_t replays = 0;                  ///< number of launches
  std::optional<int> kernel_units;            ///< units that kernels were picked for; absent: the whole device
  std::uint64_t bytes = 0;                    ///< device memory
  int slices = 1;                             ///< slices of each launch
  std::chrono::nanoseconds longest_slice{0};  ///< as measured; 0: not measured
  std::optional<LongKernel> long_kernel;      ///< a kernel that urgent engines wait for; absent: none, or not measured
  std::string obstacle;                       ///< why there are none; empty if there are
};

/// An edge: all that an engine takes from one producer, since the pipeline was opened.
struct EdgeStats {
  std::string producer;        ///< the name of a source or an engine
  std::size_t waiting = 0;     ///< values in the queue
  std::uint64_t taken = 0;     ///< values that a run has read, each once
  std::uint64_t dropped = 0;   ///< values that newer ones replaced before a run read them
  std::uint64_t rejected = 0;  ///< values that found the queue full
};

/// One engine.
struct EngineStats {
  std::string name;                                  ///< the engine's name
  std::string lane;                                  ///< its lane's name
  std::string device;                                ///< its device, such as "cuda:0"
  int units = 0;                                     ///< number of units of its lane
  std::optional<std::chrono::nanoseconds> deadline;  ///< absent: best effort
  bool in_python = false;                            ///< it runs under Python's lock
  RunFigures figures;                                ///< its runs
  std::size_t queued = 0;                            ///< requests that have not begun
  bool is_busy = false;                              ///< a request or a timer's run is under way
  std::string error;                                 ///< why it stopped; empty while it serves
  std::optional<GraphFigures> graphs;                ///< absent: it was loaded without
  std::vector<EdgeStats> edges;                      ///< in the order of first use in `from`
};

/// One source.
struct SourceStats {
  std::string name;             ///< the source's name
  std::uint64_t published = 0;  ///< items since the pipeline was opened
};

/// One path, since the pipeline was opened.
struct PathStats {
  std::string name;                                  ///< the path's name
  std::string from;                                  ///< the source
  std::string to;                                    ///< the engine
  std::optional<std::chrono::nanoseconds> deadline;  ///< absent: measured only
  PathFigures figures;                               ///< its items
};

/// One tenant, since the pipeline was opened.
struct TenantStats {
  std::string name;                  ///< the tenant's name
  double weight = 1;                 ///< its share of best-effort time, relative to other tenants
  std::size_t waiting = 0;           ///< requests that have not begun
  std::uint64_t refused = 0;         ///< requests beyond its own limits
  std::chrono::nanoseconds busy{0};  ///< time of the runs of all its requests
};

/// One device.
struct DeviceStats {
  std::string device;                 ///< such as "cuda:0"
  std::optional<GateReport> gate;     ///< since the pipeline was opened; absent: no engine lets others pass
  std::uint64_t allocator_bytes = 0;  ///< PyTorch's caching allocator
};

/// The whole pipeline.
struct PipelineStats {
  std::vector<EngineStats> engines;      ///< in the order of the configuration
  std::vector<SourceStats> sources;      ///< in the order of the configuration
  std::vector<PathStats> paths;          ///< in the order of the configuration
  std::vector<TenantStats> tenants;      ///< in the order of the configuration
  std::vector<DeviceStats> devices;      ///< devices that its lanes are on
  std::chrono::nanoseconds open_for{0};  ///< since it was opened
  std::uint64_t host_bytes = 0;          ///< resident memory of the process
  bool is_running = false;               ///< between start() and stop()
  bool is_broken = false;                ///< an engine hangs
};

}  // namespace greenlane
