#include "support/fake_driver.hpp"

#include "support/fake_driver_calls.hpp"

#include <algorithm>
#include <limits>
#include <ostream>
#include <stdexcept>

namespace greenlane::fake {
namespace {

constexpr std::uintptr_t kFirstContext = 0xC000;

const Stream& existing(const State& state, StreamView stream) {
  const auto found = state.streams.find(stream.handle());
  if (found == state.streams.end()) throw std::logic_error("the test asks about a stream that does not exist");
  return found->second;
}

driver::Table make_table(const Config& config) {
  driver::Table table;
#define GREENLANE_FAKE_ENTRY(name, version) table.name = fake_##name;
  GREENLANE_DRIVER_REQUIRED(GREENLANE_FAKE_ENTRY)
  GREENLANE_DRIVER_OPTIONAL(GREENLANE_FAKE_ENTRY)
#undef GREENLANE_FAKE_ENTRY
  if (!config.stream_get_device) table.cuStreamGetDevice = nullptr;
  if (!config.green_contexts) {
    table.cuDeviceGetDevResource = nullptr;
    table.cuDevSmResourceSplitByCount = nullptr;
    table.cuDevResourceGenerateDesc = nullptr;
    table.cuGreenCtxCreate = nullptr;
    table.cuGreenCtxDestroy = nullptr;
    table.cuGreenCtxStreamCreate = nullptr;
    table.cuGreenCtxGetDevResource = nullptr;
    table.cuStreamGetGreenCtx = nullptr;
    table.cuCtxFromGreenCtx = nullptr;
  }
  if (!config.kernel_names) table.cuKernelGetName = nullptr, table.cuFuncGetName = nullptr;
  if (!config.graph_get_edges) table.cuGraphGetEdges = nullptr;
  if (!config.green_ctx_get_id || !config.green_contexts) table.cuGreenCtxGetId = nullptr;
  return table;
}

}  // namespace

Gpu gpu_of_78_sms() { return {.name = "Fake 78", .sms = 78, .group = 8, .whole_groups = 9}; }
Gpu gpu_of_20_sms() { return {.name = "Fake 20", .sms = 20, .group = 4, .whole_groups = 5, .compute_capability = 87}; }
Gpu gpu_that_wants_larger_groups() { return {.name = "Fake coarse", .sms = 132, .group = 16, .whole_groups = 8}; }
Gpu gpu_that_cannot_be_divided() { return {.name = "Fake solid", .sms = 132, .group = 1000, .whole_groups = 0}; }

std::ostream& operator<<(std::ostream& out, const Live& live) {
  return out << live.primary_retains << " context retains, " << live.green_contexts << " green contexts, "
             << live.streams << " streams, " << live.events << " events, " << live.graphs << " graphs, "
             << live.user_objects << " user objects, " << live.libraries << " libraries";
}

bool happens_before(const Work& a, const Work& b) {
  if (a.stream == b.stream) return a.sequence < b.sequence;
  const auto known = b.done_before.find(a.stream);
  return known != b.done_before.end() && known->second >= a.sequence;
}

CUcontext context_of(int device) {
  return reinterpret_cast<CUcontext>(kFirstContext + static_cast<std::uintptr_t>(device));  // NOLINT
}
int device_of_context(CUcontext context) {
  return static_cast<int>(reinterpret_cast<std::uintptr_t>(context)) - static_cast<int>(kFirstContext);
}

CUstream State::add_stream(Stream stream) {
  CUstream handle = nullptr;
  if (freed_streams.empty()) {
    handle = new_handle<CUstream>();
  } else {
    handle = freed_streams.back();
    freed_streams.pop_back();
  }
  stream.id = next_stream++;
  streams[handle] = std::move(stream);
  return handle;
}

bool State::context_exists(int device) const {
  if (const auto held = retains.find(device); held != retains.end() && held->second > 0) return true;
  for (const auto& [handle, stream] : streams) {
    if (stream.is_application && stream.device == device) return true;
  }
  return false;
}

int State::device_of(CUcontext context) const {
  const auto green = greens.find(reinterpret_cast<CUgreenCtx>(context));
  return green == greens.end() ? device_of_context(context) : green->second.device;
}

int State::current_device() const {
  const auto stack = current.find(std::this_thread::get_id());
  return stack == current.end() || stack->second.empty() ? -1 : device_of(stack->second.back());
}

std::set<int> State::sms_of(CUcontext context) const {
  const auto green = greens.find(reinterpret_cast<CUgreenCtx>(context));
  if (green != greens.end()) return {green->second.sms.begin(), green->second.sms.end()};
  Stream plain;
  plain.device = device_of(context);
  return sms_of(plain);
}

GraphNode* State::find(CUgraphNode handle) {
  for (auto& [graph, nodes] : graphs) {
    const auto found = std::ranges::find(nodes, handle, &GraphNode::handle);
    if (found != nodes.end()) return &*found;
  }
  return nullptr;
}

Stream* State::find(CUstream handle, int device) {
  if (is_reserved(handle)) {
    auto& stream = default_streams[{device, handle}];
    if (stream.id == 0) stream.id = next_stream++;
    stream.device = device;
    return &stream;
  }
  const auto found = streams.find(handle);
  return found == streams.end() ? nullptr : &found->second;
}

CUkernel kernel_named(const char* name) {
  return reinterpret_cast<CUkernel>(const_cast<char*>(name));  // NOLINT(cppcoreguidelines-pro-type-const-cast)
}

CUfunction State::add_function(std::string name) {
  auto* const function = new_handle<CUfunction>();
  functions[function] = {.name = std::move(name)};
  return function;
}

void State::make(GraphNode& made, const Node& node) {
  made.node = node;
  made.kernel = node.kernel && !node.is_of_module ? kernel_named(node.kernel) : nullptr;
  made.function = node.kernel && node.is_of_module ? add_function(node.kernel) : nullptr;
  made.kind = !node.kernel ? NodeKind::copy : node.is_of_module ? NodeKind::module_kernel : NodeKind::library_kernel;
}

void State::retain(const UserObjects& objects) {
  for (const auto& [object, count] : objects) user_objects.at(object).references += count;
}

void State::release(const UserObjects& objects) {
  for (const auto& [object, count] : objects) {
    const auto found = user_objects.find(object);
    if (found == user_objects.end() || found->second.references < count) {
      violations.emplace_back("a user object released too often");
      continue;
    }
    found->second.references -= count;
    if (found->second.references != 0) continue;
    destroyed_objects.push_back(found->second);
    user_objects.erase(found);
  }
}

std::set<int> State::sms_of(const Stream& stream) const {
  if (stream.green) {
    const auto& held = greens.at(stream.green).sms;
    return {held.begin(), held.end()};
  }
  std::set<int> all;
  for (int sm = 0; sm < config.gpus[static_cast<std::size_t>(stream.device)].sms; ++sm) all.insert(sm);
  return all;
}

FakeDriver::FakeDriver(Config config) : state_(std::make_unique<State>()) {
  configure(std::move(config));
  in_force.store(state_.get(), std::memory_order_release);
}

FakeDriver::~FakeDriver() { in_force.store(nullptr, std::memory_order_release); }

void FakeDriver::configure(Config config) {
  table_ = make_table(config);
  state_->config = std::move(config);
}

StreamView FakeDriver::make_stream(int device) {
  const std::scoped_lock lock(state_->mutex);
  return StreamView(state_->add_stream({.device = device, .is_application = true, .clock = {}}));
}

StreamView FakeDriver::make_green_stream(int sms, int device) {
  const std::scoped_lock lock(state_->mutex);
  const auto handle = state_->new_handle<CUgreenCtx>();
  GreenContext green{.device = device, .sms = {}, .is_application = true};
  for (int sm = 0; sm < sms; ++sm) green.sms.push_back(sm);
  state_->greens[handle] = std::move(green);
  return StreamView(state_->add_stream({.device = device, .green = handle, .is_application = true, .clock = {}}));
}

StreamView FakeDriver::make_green_stream(StreamView beside) {
  const std::scoped_lock lock(state_->mutex);
  const Stream like = existing(*state_, beside);
  return StreamView(
      state_->add_stream({.device = like.device, .green = like.green, .is_application = true, .clock = {}}));
}

void FakeDriver::destroy_stream(StreamView stream) {
  const std::scoped_lock lock(state_->mutex);
  state_->streams.erase(stream.handle());
  state_->freed_streams.push_back(stream.handle());
}

void FakeDriver::set_capture(StreamView stream, CUstreamCaptureStatus status) {
  const std::scoped_lock lock(state_->mutex);
  state_->find(stream.handle(), 0)->capture = status;
}

void FakeDriver::set_others_capture(bool capture) {
  const std::scoped_lock lock(state_->mutex);
  state_->others_capture = capture;
}

void FakeDriver::push_current(int device) {
  const std::scoped_lock lock(state_->mutex);
  state_->current[std::this_thread::get_id()].push_back(context_of(device));
}

void FakeDriver::pop_current() {
  const std::scoped_lock lock(state_->mutex);
  state_->current[std::this_thread::get_id()].pop_back();
}

Work FakeDriver::mark(StreamView view, int device) {
  const std::scoped_lock lock(state_->mutex);
  Stream* stream = state_->find(view.handle(), device);
  if (!stream) throw std::logic_error("the test enqueues on a stream that does not exist");
  if (stream->capture_id != 0) {
    stream->joined = state_->captures.at(stream->capture_id).origin == view.handle();
    state_->captures.at(stream->capture_id)
        .nodes.push_back(
            {.sms = state_->sms_of(*stream),
             .kind = state_->next_node,
             .context = stream->green ? reinterpret_cast<CUcontext>(stream->green) : context_of(stream->device),
             .kernel = state_->next_function ? nullptr : kernel_named(Node{}.kernel),
             .function = state_->next_function,
             .node = {.time = state_->next_time}});
    return {.stream = stream->id, .done_before = {}};
  }
  stream->busy = true;
  Clock before = stream->clock;
  const auto sequence = ++stream->clock[stream->id];
  return {.stream = stream->id, .sequence = sequence, .done_before = std::move(before)};
}

void FakeDriver::make_nodes(NodeKind kind, std::string name) {
  const std::scoped_lock lock(state_->mutex);
  state_->next_node = kind;
  state_->next_function = nullptr;
  if (kind != NodeKind::module_kernel) return;
  state_->next_function = state_->add_function(std::move(name));
}

void FakeDriver::set_node_time(std::chrono::microseconds time) {
  const std::scoped_lock lock(state_->mutex);
  state_->next_time = time;
}

void FakeDriver::set_events_done(bool done) {
  const std::scoped_lock lock(state_->mutex);
  state_->events_are_done = done;
}

void FakeDriver::set_launches_done(std::size_t launches) {
  const std::scoped_lock lock(state_->mutex);
  state_->launches_done = launches;
}

void FakeDriver::fail(int call) {
  const std::scoped_lock lock(state_->mutex);
  state_->calls = 0;
  state_->fail_first = state_->fail_last = call;
}

void FakeDriver::fail_from(int call) {
  const std::scoped_lock lock(state_->mutex);
  state_->calls = 0;
  state_->fail_first = call;
  state_->fail_last = std::numeric_limits<int>::max();
}

int FakeDriver::calls() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->calls;
}

Live FakeDriver::live() const {
  const std::scoped_lock lock(state_->mutex);
  Live live;
  for (const auto& [device, count] : state_->retains) live.primary_retains += count;
  live.graphs = static_cast<int>(state_->graphs.size() + state_->executables.size());
  for (const auto& [handle, green] : state_->greens) live.green_contexts += green.is_application ? 0 : 1;
  for (const auto& [handle, stream] : state_->streams) live.streams += stream.is_application ? 0 : 1;
  live.events = static_cast<int>(state_->events.size());
  live.libraries = static_cast<int>(state_->libraries.size());
  live.user_objects = static_cast<int>(state_->user_objects.size());
  return live;
}

std::vector<std::string> FakeDriver::violations() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->violations;
}

CUstreamCaptureMode FakeDriver::capture_mode() const {
  const std::scoped_lock lock(state_->mutex);
  const auto mode = state_->capture_modes.find(std::this_thread::get_id());
  return mode == state_->capture_modes.end() ? CU_STREAM_CAPTURE_MODE_GLOBAL : mode->second;
}

int FakeDriver::current_device() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->current_device();
}

int FakeDriver::current_contexts() const {
  const std::scoped_lock lock(state_->mutex);
  int count = 0;
  for (const auto& [thread, stack] : state_->current) count += static_cast<int>(stack.size());
  return count;
}

std::vector<Operation> FakeDriver::operations() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->operations;
}

void FakeDriver::clear_operations() {
  const std::scoped_lock lock(state_->mutex);
  state_->operations.clear();
}

int FakeDriver::calls_of(const std::string& function) const {
  const std::scoped_lock lock(state_->mutex);
  const auto found = state_->calls_by_function.find(function);
  return found == state_->calls_by_function.end() ? 0 : found->second;
}

int FakeDriver::device_of(StreamView stream) const {
  const std::scoped_lock lock(state_->mutex);
  return existing(*state_, stream).device;
}

int FakeDriver::priority_of(StreamView stream) const {
  const std::scoped_lock lock(state_->mutex);
  return existing(*state_, stream).priority;
}

bool FakeDriver::is_green(StreamView stream) const {
  const std::scoped_lock lock(state_->mutex);
  return existing(*state_, stream).green != nullptr;
}

std::set<int> FakeDriver::sms_of(StreamView view) const {
  const std::scoped_lock lock(state_->mutex);
  return state_->sms_of(existing(*state_, view));
}

std::vector<Launch> FakeDriver::launches() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->launches;
}

}  // namespace greenlane::fake
