// Counts CUPTI's records as they come. The call site of a piece of work is known only when the record of its launch is
// there.
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

// A piece of work as CUPTI recorded it.
struct RecordedActivity {
  ActivityKind kind = ActivityKind::kernel;
  std::string_view kernel{};
  std::uint32_t correlation = 0;  // of the call that enqueued it; all nodes of a graph have that of their launch
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
  int units = 0;  // of a green context
};

// A log of recorded work. Its memory grows with the kinds of work and not with its amount, except for the parts that
// are bounded below.
// Thread safety: all members.
class ActivityLog {
 public:
  // The fewest launches whose call site is remembered, and the most pieces of work that may wait for their launch's
  // record.
  static constexpr std::size_t kMostLaunches = 2'000'000;
  static constexpr std::size_t kMostWaiting = 1'000'000;

  // Keeps up to `most_spans` kernels for the trace.
  explicit ActivityLog(std::size_t most_spans) : most_spans_(most_spans) {}

  void add_launch(std::uint32_t correlation, std::uint32_t site);
  void add(const RecordedActivity& activity);
  void add_context(const RecordedContext& context);
  // Adds records that CUPTI reports as lost.
  void add_dropped(std::uint64_t count);
  // Counts the waiting work whose launch is known by now. Called at the end of a buffer.
  void settle();

  struct Contents {
    std::vector<Activity> activities;
    std::vector<KernelSpan> spans;     // up to the limit, in no order
    std::vector<std::string> kernels;  // names by number
    std::vector<RecordedContext> contexts;
    std::uint64_t dropped = 0;
    bool spans_are_cut = false;
  };
  // Returns all contents and leaves nothing. Work that still waits is nobody's.
  [[nodiscard]] Contents take();

 private:
  struct Waiting {
    std::uint32_t correlation;
    KernelSpan span;  // its site is not known yet
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
  // Two generations, so that the older one can go: its work is done long before that number of later launches.
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
