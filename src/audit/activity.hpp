// The GPU's work as the audit keeps it.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace greenlane::audit {

enum class ActivityKind { kernel, copy };

// The key under which pieces of work are counted together. Contexts and streams have CUPTI's numbers.
struct ActivityKey {
  std::uint32_t site = 0;  // number of the call site that enqueued it; 0: none
  ActivityKind kind = ActivityKind::kernel;
  std::uint32_t kernel = 0;  // number of its name; 0 for copies
  std::uint32_t device = 0;
  std::uint32_t context = 0;
  std::uint32_t stream = 0;
  bool in_graph = false;
  friend auto operator<=>(const ActivityKey&, const ActivityKey&) = default;
};

// All pieces of work with the same key.
struct Activity {
  ActivityKind kind = ActivityKind::kernel;
  std::string kernel{};    // its name; empty for copies
  std::uint32_t site = 0;  // number of the call site that enqueued it; 0: none
  std::uint32_t device = 0;
  std::uint32_t context = 0;  // for a node of a graph: the context that it was captured in
  std::uint32_t stream = 0;   // for a node of a graph: the stream that it was launched on
  bool in_graph = false;
  std::uint64_t count = 1;
  std::chrono::nanoseconds time{0};
};

// One kernel, for the trace. Its times are those of steady_clock.
struct KernelSpan {
  ActivityKey key;
  std::chrono::nanoseconds begin{0};
  std::chrono::nanoseconds end{0};
};

}  // namespace greenlane::audit
