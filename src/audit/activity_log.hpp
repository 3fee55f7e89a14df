// What CUPTI recorded, counted while it comes: whose work it is is known only when the record of its launch is there.
#pragma once

#include "audit/activity.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace greenlane::audit {

// A piece of work as a record has it.
struct RecordedActivity {
  ActivityKind kind = ActivityKind::kernel;
  std::string_view kernel{};
  std::uint32_t correlation = 0;  // of the call that enqueued it; all nodes of a graph have their launch's
  std::uint32_t device = 0;
  std::uint32_t context = 0;
  std::uint32_t stream = 0;
  bool in_graph = false;
  std::chrono::nanoseconds begin{0};
  std::chrono::nanoseconds end{0};
};

struct RecordedContext {
  std::uint32_t context = 0;
  std::uint32_t device = 0;
  bool is_green = false;
  int units = 0;  // of a green one
};

// Memory grows with kinds of work and not with its amount, but for what is bounded below. Thread safety: all members.
class ActivityLog {
 public:
  // Launches whose call site is remembered at least; and kernels that may wait for their launch's record.
  static constexpr std::size_t kMostLaunches = 2'000'000;
  static constexpr std::size_t kMostWaiting = 1'000'000;

  // Keeps so many kernels for the trace.
  explicit ActivityLog(std::size_t most_spans) : most_spans_(most_spans) {}

  void add_launch(std::uint32_t correlation, std::uint32_t site);
  void add(const RecordedActivity& activity);
  void add_context(const RecordedContext& context);
  // That CUPTI says it lost.
  void add_dropped(std::uint64_t count);
  // Counts what has waited, at the end of a buffer.
  void settle();

  struct Contents {
    std::vector<Activity> activities;
    std::vector<KernelSpan> spans;     // as far as they are kept; in no order
    std::vector<std::string> kernels;  // names by number
    std::vector<RecordedContext> contexts;
    std::uint64_t dropped = 0;
    bool spans_are_cut = false;
  };
  // All of it; what still waits is nobody's. Leaves nothing.
  [[nodiscard]] Contents take();

 private:
  struct Waiting {
    std::uint32_t correlation;
    KernelSpan span;  // without its site
  };
  struct Total {
    std::uint64_t count = 0;
    std::chrono::nanoseconds time{0};
  };
  [[nodiscard]] std::uint32_t number_of(std::string_view kernel);
  [[nodiscard]] const std::uint32_t* site_of(std::uint32_t correlation) const;
  void count(const KernelSpan& span);

  std::mutex mutex_;
  std::size_t most_spans_;
  // Two generations, so that the older can go: work is done long before so many later launches.
  std::unordered_map<std::uint32_t, std::uint32_t> launches_;
  std::unordered_map<std::uint32_t, std::uint32_t> earlier_launches_;
  std::map<std::string, std::uint32_t, std::less<>> numbers_;
  std::map<ActivityKey, Total> totals_;
  std::vector<Waiting> waiting_;
  std::vector<KernelSpan> spans_;
  std::vector<RecordedContext> contexts_;
  std::uint64_t dropped_ = 0;
  bool spans_are_cut_ = false;
};

}  // namespace greenlane::audit
