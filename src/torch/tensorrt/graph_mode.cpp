#include "torch/tensorrt/graph_mode.hpp"

#include <greenlane/core/log.hpp>

#include <ATen/core/dispatch/Dispatcher.h>

#include <exception>
#include <utility>

namespace greenlane::tensorrt {
namespace {

constexpr std::int64_t kStandard = 0;
constexpr std::int64_t kSubgraph = 1;

// Where only stock's runtime in Python is loaded there is no such setting.
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

}  // namespace

GraphModeScope::GraphModeScope(EngineRecord& record, StreamView stream) {
  if (!std::exchange(record.is_rebound, false)) return;
  if (stream == record.graph_stream && mode() == kSubgraph) {
    set_mode(kStandard);
    switched_off_ = true;
  }
  record.graph_stream = stream;
}

GraphModeScope::~GraphModeScope() {
  if (!switched_off_) return;
  try {
    set_mode(kSubgraph);
  } catch (const std::exception& error) {
    warn(std::string("CUDA graphs of Torch-TensorRT stay off: ") + error.what());
  }
}

}  // namespace greenlane::tensorrt
