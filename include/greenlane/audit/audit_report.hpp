// The findings of an audit.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace greenlane::audit {

/// The likely cause of a stray. docs/audit.md says what to do about each.
enum class StrayCause {
  captured_elsewhere,  ///< a node of a graph that was captured outside the partition
  pool_stream,         ///< enqueued on a stream of PyTorch's pool
  default_stream,
  other_lane,   ///< enqueued on another lane
  side_stream,  ///< enqueued on an unknown stream, such as an auxiliary stream of TensorRT
  not_bound,    ///< the engine has no lane
  no_engine,    ///< no engine was called
};
/// Returns the cause in a few words.
[[nodiscard]] std::string_view to_string(StrayCause cause);

/// All runs of one kernel in one place.
struct AuditedKernel {
  std::string kernel;                ///< the kernel's name
  std::uint64_t count = 0;           ///< number of runs
  std::chrono::nanoseconds time{0};  ///< of all runs together
  std::string where;                 ///< the units, such as "partition 'policy'"
  std::optional<StrayCause> cause;   ///< absent: not a stray
};

/// The work of one engine on one lane.
struct AuditedEngine {
  std::string name;                   ///< the engine's name
  std::optional<std::string> lane{};  ///< absent: not bound
  int units = 0;                      ///< the lane's units; 0: unknown
  std::uint64_t calls = 0;            ///< number of calls
  std::uint64_t kernels = 0;          ///< number of kernels
  std::uint64_t copies = 0;           ///< includes memsets
  std::chrono::nanoseconds time{0};   ///< GPU time of its kernels
  /// False where the driver does not report the context of the lane's kernels, so that strays cannot be told apart.
  bool is_judged = true;
  std::vector<AuditedKernel> strays{};  ///< its kernels outside the lane's partition
};

/// One kernel in the trace. Times are those of steady_clock.
struct TracedKernel {
  std::string kernel;                 ///< the kernel's name
  std::string engine;                 ///< empty: no engine
  std::string where;                  ///< "partition policy", "all SMs"
  std::string lane;                   ///< the lane that owns the partition; empty: none
  bool is_stray = false;              ///< it ran outside its engine's partition
  std::chrono::nanoseconds begin{0};  ///< when the kernel began
  std::chrono::nanoseconds end{0};    ///< when the kernel ended
};

/// The result of an audit.
struct AuditReport {
  std::vector<AuditedEngine> engines;  ///< in the order of their first calls
  std::vector<AuditedKernel> others;   ///< work of no engine, longest first
  std::uint64_t dropped = 0;           ///< number of lost records; nothing is known of their kernels
  std::vector<TracedKernel> trace;     ///< by begin time; empty if no trace was requested
  bool trace_is_cut = false;           ///< whether there were more kernels than the trace keeps

  /// Returns true if there are no strays, no lost records, and every engine could be judged.
  [[nodiscard]] bool is_clean() const noexcept;
  /// Returns the number of strays: runs of kernels, of engines and of no engine.
  [[nodiscard]] std::uint64_t strays() const noexcept;
};

/// Returns a table for people, with the strays below it. Its only times are GPU times, which CUPTI makes longer.
[[nodiscard]] std::string audit_text(const AuditReport& report);
/// Returns the report as JSON. docs/audit.md describes the fields.
[[nodiscard]] std::string audit_json(const AuditReport& report);

}  // namespace greenlane::audit
