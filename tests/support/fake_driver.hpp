// A CUDA driver made of bookkeeping. It records all objects, the SMs that they hold, and the order in which work may
// run. It also notes every use that a real driver would not forgive.
#pragma once

#include "driver/table.hpp"

#include <greenlane/core/stream.hpp>

#include <chrono>
#include <cstdint>
#include <iosfwd>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace greenlane::fake {

struct State;

struct Gpu {
  std::string name = "Fake H200";
  int sms = 132;
  // The size of the smallest group that the split accepts, and the number of such groups. The other SMs are the
  // remainder.
  int group = 8;
  int whole_groups = 15;
  int compute_capability = 90;
  std::size_t memory_bytes = std::size_t{139} << 30;
  // The driver announces this many groups more than it makes.
  int promised_too_many = 0;
  // If set, the device cannot be described at all.
  bool fell_off_the_bus = false;
};
[[nodiscard]] Gpu gpu_of_78_sms();                 // 9 groups of 8 SMs, and 6 more
[[nodiscard]] Gpu gpu_of_20_sms();                 // 5 groups of 4
[[nodiscard]] Gpu gpu_that_wants_larger_groups();  // 132 SMs: no groups of 8, but 8 groups of 16, and 4 more
[[nodiscard]] Gpu gpu_that_cannot_be_divided();

// A node of a graph.
struct Node {
  const char* kernel = "fill";  // its kernel's name; null: it is a copy
  std::chrono::microseconds time{10};
  bool is_of_module = false;  // its kernel is one of cuModuleLoad, which has no handle as a library's
};

struct Config {
  std::vector<Gpu> gpus = {Gpu{}};
  bool green_contexts = true;       // else their entries are null
  bool stream_get_device = true;    // else its entry is null
  bool stream_get_ctx = true;       // else it answers CUDA_ERROR_NOT_SUPPORTED
  bool green_ctx_get_id = true;     // else its entry is null
  bool graph_get_edges = true;      // else its entry is null
  bool kernel_names = true;         // else their entries are null
  std::vector<Node> nodes = {};     // the first nodes of each graph
  bool graphs_with_memory = false;  // graphs hold nodes that allocate, and cannot be cloned
  int driver_version = 13000;
};

// The objects that greenlane has made and not yet destroyed. The application's own streams (make_stream) do not count.
struct Live {
  int primary_retains = 0;
  int green_contexts = 0;
  int streams = 0;
  int events = 0;
  int graphs = 0;  // executable graphs and others
  int user_objects = 0;
  int libraries = 0;
  friend bool operator==(const Live&, const Live&) = default;
};
std::ostream& operator<<(std::ostream& out, const Live& live);

struct Operation {
  enum class Kind { record, wait } kind;
  CUevent event;
  CUstream stream;
};

// The nodes that work makes in a capture: a kernel of a library, a kernel of a module, or others.
enum class NodeKind { library_kernel, module_kernel, cooperative_kernel, memset, copy, batch_memory_operation };

// A launch of a graph: the SMs of its nodes, and the stream of the launch.
struct Launch {
  std::vector<std::set<int>> nodes;
  CUstream stream;
};

// For every stream, the amount of its work that is known to be done before.
using Clock = std::map<std::uint64_t, std::uint64_t>;

// A piece of work on a stream.
struct Work {
  std::uint64_t stream = 0;  // an identity that no later stream gets, unlike a handle
  std::uint64_t sequence = 0;
  Clock done_before;
};
// Returns whether `a` is done before `b` begins, whatever the streams' relative speed.
[[nodiscard]] bool happens_before(const Work& a, const Work& b);

// Thread safety: all members but configure(). Only one object is in force at a time.
class FakeDriver {
 public:
  explicit FakeDriver(Config config = {});
  ~FakeDriver();
  FakeDriver(const FakeDriver&) = delete;
  FakeDriver& operator=(const FakeDriver&) = delete;

  [[nodiscard]] const driver::Table& table() const { return table_; }
  // Must be called before anything is made.
  void configure(Config config);

  // The calls of an application beside greenlane.
  [[nodiscard]] StreamView make_stream(int device = 0);
  // Makes a stream in a new green context of the first `sms` SMs of the device. The second overload makes it in the
  // same green context as `beside`.
  [[nodiscard]] StreamView make_green_stream(int sms, int device = 0);
  [[nodiscard]] StreamView make_green_stream(StreamView beside);
  void destroy_stream(StreamView stream);
  void set_capture(StreamView stream, CUstreamCaptureStatus status);
  // Begins or ends another thread's capture in the default mode. Calls that may wait break it.
  void set_others_capture(bool capture);
  // Makes the device's context current in this thread. pop_current() takes it away again.
  void push_current(int device);
  void pop_current();

  // Enqueues work. `device` matters only for the default stream.
  Work mark(StreamView stream, int device = 0);

  // Sets the kind of node that mark() makes in a capture from now on. At first: library_kernel. A kernel of a module is
  // called `name`. An image for cuLibraryLoadData is a name and, after a space, the kernel's number of registers; the
  // module's kernel has 32.
  void make_nodes(NodeKind kind, std::string name = "kernel");
  // Sets how long each node runs that mark() makes in a capture from now on. At first: 10 us.
  void set_node_time(std::chrono::microseconds time);

  // Sets what cuEventQuery answers from now on. At first, it answers that work is still under way.
  void set_events_done(bool done);
  // Ends so many launches of graphs, the oldest first: the events that were recorded behind them have happened.
  void set_launches_done(std::size_t launches);

  // Counts calls anew from here, and makes the n-th fail with CUDA_ERROR_UNKNOWN (0: none). A call that releases
  // something releases it and fails all the same, as in CUDA when it reports an earlier error.
  void fail(int call);
  // Makes the n-th call and all calls after it fail.
  void fail_from(int call);
  [[nodiscard]] int calls() const;

  [[nodiscard]] Live live() const;
  [[nodiscard]] std::vector<std::string> violations() const;
  // Returns this thread's capture mode, which says what its calls may do while graphs are captured.
  [[nodiscard]] CUstreamCaptureMode capture_mode() const;
  // Returns the device whose context is current in this thread, or -1.
  [[nodiscard]] int current_device() const;
  // Returns the number of contexts that are current in any thread.
  [[nodiscard]] int current_contexts() const;
  [[nodiscard]] std::vector<Operation> operations() const;
  void clear_operations();
  [[nodiscard]] std::vector<Launch> launches() const;
  // Returns how often the driver's function was called.
  [[nodiscard]] int calls_of(const std::string& function) const;

  // The stream must exist for these four functions.
  [[nodiscard]] int device_of(StreamView stream) const;
  [[nodiscard]] int priority_of(StreamView stream) const;
  [[nodiscard]] bool is_green(StreamView stream) const;
  [[nodiscard]] std::set<int> sms_of(StreamView stream) const;

 private:
  std::unique_ptr<State> state_;
  driver::Table table_;
};

}  // namespace greenlane::fake
