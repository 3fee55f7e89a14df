// The results of rehearsals.
#pragma once

#include <greenlane/audit/audit_report.hpp>
#include <greenlane/core/gate.hpp>
#include <greenlane/detail/runtime/config.hpp>
#include <greenlane/detail/runtime/latency_histogram.hpp>
#include <greenlane/detail/runtime/mode.hpp>
#include <greenlane/detail/runtime/workload.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace greenlane::runtime {

/// An item of a source, as a request names it.
struct ItemName {
  std::size_t source = 0;      ///< index into the configuration's sources
  std::uint64_t sequence = 0;  ///< 1 for the source's first item
};

/// One request, for the trace. Times since the start of the measurement.
struct RequestSpan {
  Nanoseconds scheduled;          ///< the time of its arrival
  Nanoseconds start;              ///< when it began
  Nanoseconds end;                ///< when its result was there
  std::vector<ItemName> items{};  ///< the source items in its inputs
};

/// A time span for the trace, since the start of the measurement.
struct Span {
  Nanoseconds begin;  ///< its begin
  Nanoseconds end;    ///< its end
};

/// The results of one engine in one mode.
struct EngineResult {
  std::string name;       ///< the engine's name
  std::string lane;       ///< its lane's name
  int units = 0;          ///< number of units that it had
  std::vector<int> cpus;  ///< its cores; empty on a GPU
  /// From the scheduled arrival (best effort: from the start) to the result. A request that was never served counts
  /// with the time it had waited when the run ended. Skipped ticks have no latency.
  LatencyHistogram latency;
  std::uint64_t requests = 0;           ///< arrivals during the measurement
  std::uint64_t unserved = 0;           ///< requests not begun when the measurement ended, without the skipped
  std::uint64_t skipped = 0;            ///< ticks of its timer that passed while it was busy
  std::uint64_t misses = 0;             ///< requests later than the deadline, including the unserved and the skipped
  std::optional<Nanoseconds> deadline;  ///< absent: best effort
  double rate_hz = 0;                   ///< requests served per second
  std::optional<bool> checked;          ///< absent: nothing to compare with, or not requested
  std::string error;                    ///< why it stopped, or what differed; empty if all went well
  std::optional<GraphUse> graphs;       ///< its CUDA graphs; absent: none
  bool delays_urgent = false;           ///< urgent engines share units with it, and wait for its slices in flight
  std::vector<RequestSpan> spans;       ///< for the trace: its requests
  std::vector<Span> slices;             ///< for the trace: the slices of its graph, if it is cut
  std::optional<std::int64_t>
      batch_rows{};                ///< rows of each run, which counts as one request; absent: requests ran alone
  bool is_triggered = true;        ///< false: only a program makes it run, so it did not
  std::uint64_t not_ready = 0;     ///< runs that were skipped because an edge had no value yet
  std::uint64_t stale = 0;         ///< runs that were skipped because their inputs were too old
  LatencyFigures ages{};           ///< of the inputs of its runs from edges
  std::vector<EdgeStats> edges{};  ///< its edges, during the measurement
};

/// The items of one source in one mode.
struct SourceResult {
  std::string name;                  ///< the source's name
  std::uint64_t published = 0;       ///< items during the measurement
  std::vector<Nanoseconds> times{};  ///< for the trace: when items were published, since its start
  std::uint64_t first = 0;           ///< for the trace: the sequence number of the first of these
};

/// The items on one path in one mode.
struct PathResult {
  std::string name;                     ///< the path's name
  std::string from;                     ///< the source
  std::string to;                       ///< the engine
  std::optional<Nanoseconds> deadline;  ///< absent: measured only
  LatencyHistogram latency;             ///< from publication to the first result that contained the item
  std::uint64_t misses = 0;             ///< items later than the deadline
  std::uint64_t dropped = 0;            ///< items that no result contained, though one contained a newer item
};

/// Memory in use.
struct MemoryUse {
  std::uint64_t host_bytes = 0;       ///< resident set of the process
  std::uint64_t allocator_bytes = 0;  ///< PyTorch's caching allocator on the device
};

/// The results of one mode.
struct ModeResult {
  Mode mode = Mode::lanes;                        ///< the mode
  std::vector<EngineResult> engines;              ///< in the order of the configuration
  std::vector<SourceResult> sources{};            ///< in the order of the configuration
  std::vector<PathResult> paths{};                ///< in the order of the configuration
  std::chrono::steady_clock::time_point begin{};  ///< of the measurement
  Nanoseconds measured{0};                        ///< duration of the measurement
  Nanoseconds spin{0};                            ///< of the engines' threads, before each arrival
  MemoryUse memory_before;                        ///< before the measurement
  MemoryUse memory_after;                         ///< after the measurement
  bool stopped_early = false;                     ///< by RunOptions::stop
  std::optional<GateReport> gate;                 ///< if an engine lets others pass
  std::vector<Span> passes;                       ///< for the trace: when urgent requests kept the gate closed
  std::vector<audit::TracedKernel> kernels;       ///< for the trace: from an audit
  bool is_audited = false;                        ///< times are longer then, and the trace says so
};

}  // namespace greenlane::runtime
