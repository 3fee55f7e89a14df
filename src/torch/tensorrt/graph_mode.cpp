#include "torch/tensorrt/graph_mode.hpp"

#include "torch/tensorrt/context_setting.hpp"

#include <greenlane/core/log.hpp>
#include <greenlane/detail/core/process.hpp>

#include <ATen/core/dispatch/Dispatcher.h>

#include <exception>
#include <mutex>
#include <string>

namespace greenlane::tensorrt {
namespace {

constexpr std::int64_t kStandard = 0;
constexpr std::int64_t kSubgraph = 1;

// Returns the graph mode. The setting does not exist if only the runtime in Python is loaded.
std::int64_t mode() {
  const auto op = c10::Dispatcher::singleton().findSchema({"tensorrt::get_cudagraphs_mode", ""});
  if (!op) return kStandard;
  torch::jit::Stack stack;
  op->callBoxed(stack);
  return stack.back().toInt();
}

void set_mode(std::int64_t mode) {
  static const auto op = c10::Dispatcher::singleton().findSchemaOrThrow("tensorrt::set_cudagraphs_mode", "");
  torch::jit::Stack stack{mode};
  op.callBoxed(stack);
}

// A process-wide count of the calls that need graphs off. One call must not turn graphs on while another one relies on
// their being off.
class GraphsOff {
 public:
  static GraphsOff& instance() {
    static auto* const all = new GraphsOff;
    return *all;
  }

  void enter() {
    const std::scoped_lock lock(mutex_);
    if (mode() == kSubgraph) {
      set_mode(kStandard);
      switched_ = true;
    }
    ++calls_;
  }

  void leave() {
    const std::scoped_lock lock(mutex_);
    if (--calls_ != 0 || !switched_) return;
    switched_ = false;
    if (mode() == kStandard) set_mode(kSubgraph);  // else another mode was chosen meanwhile
  }

 private:
  detail::ForkSafeMutex mutex_;
  int calls_ = 0;
  bool switched_ = false;
};

}  // namespace

bool stock_has_graphs() { return mode() != kStandard; }

bool may_have_old_graph(const EngineRecord& record, const c10::IValue& engine) {
  if (record.needs_output_allocator) return false;  // then nothing is recorded
  const auto seen = record.graphs_current_at.load(std::memory_order_acquire);
  // Stock Torch-TensorRT refuses a call with an output allocator while its graphs are on.
  return seen != record.binding.generation() && !uses_output_allocator(engine);
}

GraphModeScope::GraphModeScope(EngineRecord& record) : record_(record), generation_(record.binding.generation()) {
  GraphsOff::instance().enter();
}

GraphModeScope::~GraphModeScope() {
  try {
    GraphsOff::instance().leave();
  } catch (const std::exception& error) {
    warn(std::string("CUDA graphs of Torch-TensorRT stay off: ") + error.what());
  }
}

void GraphModeScope::finish() {
  // Another thread may have turned graphs on during the call, and then the call may have used them.
  if (mode() != kSubgraph) record_.graphs_current_at.store(generation_, std::memory_order_release);
}

}  // namespace greenlane::tensorrt
