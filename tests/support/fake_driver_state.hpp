// The records of FakeDriver. The functions of fake_driver_calls.hpp write them, and fake_driver.cpp reads them.
#pragma once

#include "support/fake_driver.hpp"

#include <chrono>
#include <mutex>
#include <thread>
#include <utility>

namespace greenlane::fake {

struct Stream {
  std::uint64_t id = 0;
  int device = 0;
  CUgreenCtx green = nullptr;
  bool is_application = false;
  int priority = 0;
  CUstreamCaptureStatus capture = CU_STREAM_CAPTURE_STATUS_NONE;
  std::uint64_t capture_id = 0;  // of the capture that the stream is in, unless set_capture only claims one
  bool joined = true;            // whether the capture's first stream waits for this stream's last work
  bool busy = false;             // has had work that nobody has waited for
  Clock clock;
};

struct Event {
  int device = 0;
  bool is_timed = false;
  std::chrono::microseconds time{0};
  bool recorded = false;
  Clock clock;
  std::uint64_t capture_id = 0;  // of the capture that the event is a part of
  CUstream stream = nullptr;     // the stream that it was then recorded on
  std::size_t launches = 0;      // launches of graphs before it was recorded
};

struct GraphNode {
  CUgraphNode handle = nullptr;
  std::set<int> sms;
  CUgraphNode origin = nullptr;  // for a node of a clone: the original node
  NodeKind kind = NodeKind::library_kernel;
  CUcontext context = nullptr;
  CUkernel kernel = nullptr;      // null for a module's
  CUfunction function = nullptr;  // null for a library's
  Node node{};
};
using Graph = std::vector<GraphNode>;  // the nodes form a chain

// An object that graphs own.
struct UserObject {
  void* pointer = nullptr;
  CUhostFn destroy = nullptr;
  unsigned int references = 0;  // those of its maker and of the graphs
  unsigned int of_maker = 0;
};
using UserObjects = std::map<CUuserObject, unsigned int>;  // the number of references

// A capture that has begun.
struct Capture {
  CUstream origin = nullptr;
  CUgraph graph = nullptr;
  std::vector<GraphNode> nodes;  // without handles
};

// A kernel of a library, or a function of a module.
struct Kernel {
  std::string name;
  int registers = 32;
  int dynamic_shared = 0;
};

struct GreenContext {
  int device = 0;
  std::vector<int> sms;
  bool is_application = false;
};

// The part of a CUdevResource that only the driver reads.
struct ResourceTag {
  std::uint32_t magic = 0;
  std::int32_t device = 0;
  std::int32_t first_sm = 0;
  std::int32_t split = 0;  // 0: the whole device, which is the only resource that may be split
};

struct State {
  mutable std::mutex mutex;
  Config config;

  std::map<CUstream, Stream> streams;
  std::map<std::pair<int, CUstream>, Stream> default_streams;  // one for each device and reserved handle
  std::map<CUevent, Event> events;
  std::map<std::uint64_t, Capture> captures;
  std::map<CUgraph, Graph> graphs;
  std::map<CUgraphExec, std::vector<std::set<int>>> executables;
  std::map<CUgraphExec, std::chrono::microseconds> times_of_executables;
  std::map<CUuserObject, UserObject> user_objects;
  std::map<CUgraph, UserObjects> objects_of_graphs;  // also for graphs that are being captured
  std::map<CUgraphExec, UserObjects> objects_of_executables;
  std::vector<UserObject> destroyed_objects;  // their destructors are called after the lock is released
  std::vector<Launch> launches;
  std::chrono::microseconds time_launched{0};  // the time that all launches take
  std::map<CUlibrary, Kernel> libraries;       // each has one kernel, with the library's handle
  std::map<CUfunction, Kernel> functions;
  NodeKind next_node = NodeKind::library_kernel;
  std::chrono::microseconds next_time = Node{}.time;
  CUfunction next_function = nullptr;
  std::map<CUgreenCtx, GreenContext> greens;
  std::map<CUdevResourceDesc, GreenContext> descriptions;
  std::map<int, int> retains;
  std::map<std::thread::id, std::vector<CUcontext>> current;
  std::map<std::thread::id, CUstreamCaptureMode> capture_modes;
  bool others_capture = false;
  std::vector<CUstream> freed_streams;  // given out again first, as by the driver

  std::vector<std::string> violations;
  std::vector<Operation> operations;
  std::map<std::string, int> calls_by_function;
  int calls = 0;
  int fail_first = 0;
  int fail_last = 0;
  bool events_are_done = false;
  std::size_t launches_done = 0;
  std::uintptr_t next_handle = 0x10000;
  std::uint64_t next_stream = 1;
  std::uint64_t next_capture = 1;
  int next_split = 1;

  [[nodiscard]] bool fails_now() const { return fail_first > 0 && calls >= fail_first && calls <= fail_last; }
  CUresult violate(const std::string& text, CUresult result) {
    violations.push_back(text);
    return result;
  }
  template <class Handle>
  Handle new_handle() {
    return reinterpret_cast<Handle>(next_handle += 0x10);  // NOLINT(performance-no-int-to-ptr)
  }
  CUstream add_stream(Stream stream);
  [[nodiscard]] bool context_exists(int device) const;
  // Returns the device of a primary context, or of a green context's context.
  [[nodiscard]] int device_of(CUcontext context) const;
  // Returns the device whose context is current in this thread, or -1.
  [[nodiscard]] int current_device() const;
  // Returns the SMs that work on the stream runs on.
  [[nodiscard]] std::set<int> sms_of(const Stream& stream) const;
  [[nodiscard]] std::set<int> sms_of(CUcontext context) const;
  // Returns the node with this handle, or null.
  [[nodiscard]] GraphNode* find(CUgraphNode handle);
  void retain(const UserObjects& objects);
  void release(const UserObjects& objects);
  // Returns the stream, or null if there is none. A reserved handle means the stream of `device`.
  [[nodiscard]] Stream* find(CUstream handle, int device);
  // Makes a module's function.
  CUfunction add_function(std::string name);
  // Makes a captured node the one of the configuration.
  void make(GraphNode& made, const Node& node);
};

inline bool is_reserved(CUstream handle) {
  return handle == nullptr || handle == CU_STREAM_LEGACY || handle == CU_STREAM_PER_THREAD;
}
// Returns the device's primary context. It is greater than any index, so that a device passed as a context is noticed.
[[nodiscard]] CUcontext context_of(int device);
[[nodiscard]] int device_of_context(CUcontext context);
// Returns the handle of a library's kernel: its name.
[[nodiscard]] CUkernel kernel_named(const char* name);

}  // namespace greenlane::fake
