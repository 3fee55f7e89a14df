// Gates: best-effort work lets urgent work pass between two of its slices. The options and figures of a gate.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace greenlane {

class SpanLog;

/// The way in which a best-effort engine's thread waits at a closed gate.
enum class GateWait {
  spin,   ///< keeps a core busy; resumes within one or two microseconds
  block,  ///< sleeps in steps of some 20 us; Linux adds 50 us unless the thread's timer slack is smaller
};

/// The use of a device's gate since the process began.
struct GateReport {
  std::uint64_t passes = 0;                  ///< urgent calls
  std::uint64_t beside = 0;                  ///< those of them that passed without holding some best-effort work
  std::uint64_t held = 0;                    ///< times that best-effort work waited
  std::chrono::nanoseconds held_time{0};     ///< total time that best-effort work waited
  std::chrono::nanoseconds longest_held{0};  ///< the longest of these waits
  std::uint64_t limits_hit = 0;              ///< urgent calls that were released at their limit
};

/// The choices for cutting a best-effort engine's graphs into slices.
struct SliceOptions {
  /// The longest slice, except where a single kernel is longer. Absent: chosen.
  std::optional<std::chrono::nanoseconds> longest{};
  /// Slices that wait on the device behind the running one. With 0 the device is idle between two slices. With 1 the
  /// next slice is launched when the running one is about to end. More make urgent work wait longer. Absent: one, or
  /// chosen where `longest` is absent.
  std::optional<int> look_ahead{};
  /// The overhead limit, as a share of the uncut graph's time. Values left to choose give the shortest wait of urgent
  /// work within this limit, or, if nothing is that cheap, the least overhead. The overhead is known to about half a
  /// hundredth.
  double most_overhead = 0.018;
  /// The way in which the launching thread waits at a closed gate.
  GateWait wait = GateWait::spin;
  /// The log of when slices ran, as the launching thread sees it; null: none. With a log, the thread looks more often
  /// and returns when the last slice is done.
  std::shared_ptr<SpanLog> log{};
};

/// The longest kernel of a best-effort engine's graph that is longer than the slices that were wanted. It cannot be
/// cut, so urgent engines on the same units wait for it.
struct LongKernel {
  std::string name;                  ///< as in the source; empty: the driver does not tell it
  std::chrono::nanoseconds time{0};  ///< as measured
  /// Kernels in this time: more than one if no cut can part them, as on branches. `name` is the first one's.
  int kernels = 1;
  /// Compares all members.
  friend bool operator==(const LongKernel&, const LongKernel&) = default;
};

}  // namespace greenlane
