// What an audit found.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace greenlane::audit {

// The likely one of a stray. docs/audit.md says what to do about each.
enum class StrayCause {
  captured_elsewhere,  // a node of a graph that was captured outside of the partition
  pool_stream,         // enqueued on a stream of PyTorch's pool
  default_stream,
  other_lane,   // enqueued on another lane
  side_stream,  // enqueued on a stream that nobody knows, such as an auxiliary one of TensorRT's
  not_bound,    // the engine has no lane
  no_engine,    // no engine was called
};
// In a few words.
[[nodiscard]] std::string_view to_string(StrayCause cause);

// Runs of one kernel in one place.
struct AuditedKernel {
  std::string kernel;
  std::uint64_t count = 0;
  std::chrono::nanoseconds time{0};  // of all together
  std::string where;
  std::optional<StrayCause> cause;  // absent: it was no stray
};

struct AuditedEngine {
  std::string name;
  std::optional<std::string> lane{};  // absent: not bound
  int units = 0;                      // of the lane; 0: unknown
  std::uint64_t calls = 0;
  std::uint64_t kernels = 0;
  std::uint64_t copies = 0;          // memsets, too
  std::chrono::nanoseconds time{0};  // of kernels
  // Whether its kernels could be told from strays: not where the driver says nothing of its lane's context.
  bool is_judged = true;
  std::vector<AuditedKernel> strays{};
};

// A kernel, for the trace. Times are those of steady_clock.
struct TracedKernel {
  std::string kernel;
  std::string engine;  // empty: none
  std::string place;   // "partition policy", "all SMs"
  std::string lane;    // whose partition that is; empty: none's
  bool is_stray = false;
  std::chrono::nanoseconds begin{0};
  std::chrono::nanoseconds end{0};
};

struct AuditReport {
  std::vector<AuditedEngine> engines;  // in the order of their first calls
  std::vector<AuditedKernel> others;   // work of no engine, the longest first
  std::uint64_t dropped = 0;           // records that were lost: of these nothing is known
  std::vector<TracedKernel> trace;     // in the order of their beginnings; empty where none was asked for
  bool trace_is_cut = false;           // whether there were more kernels than a trace has

  // No strays, nothing lost, and all judged.
  [[nodiscard]] bool is_clean() const noexcept;
  [[nodiscard]] std::uint64_t strays() const noexcept;
};

// A table for people, with strays below it; no times but those on the GPU, which CUPTI makes longer.
[[nodiscard]] std::string audit_text(const AuditReport& report);
// As docs/audit.md describes it.
[[nodiscard]] std::string audit_json(const AuditReport& report);

}  // namespace greenlane::audit
