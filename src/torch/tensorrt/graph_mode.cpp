#include "torch/tensorrt/graph_mode.hpp"

#include <greenlane/core/log.hpp>

#include <ATen/core/dispatch/Dispatcher.h>

#include <exception>

namespace greenlane::tensorrt {
namespace {

constexpr std::int64_t kStandard = 0;
constexpr std::int64_t kSubgraph = 1;

std::int64_t mode() {
  static const auto op = c10::Dispatcher::singleton().findSchemaOrThrow("tensorrt::get_cudagraphs_mode", "");
  torch::jit::Stack stack;
  op.callBoxed(stack);
  return stack.back().toInt();
}

void set_mode(std::int64_t mode) {
  static const auto op = c10::Dispatcher::singleton().findSchemaOrThrow("tensorrt::set_cudagraphs_mode", "");
  torch::jit::Stack stack{mode};
  op.callBoxed(stack);
}

}  // namespace

GraphModeScope::GraphModeScope(EngineRecord& record, StreamView stream) {
  const auto generation = record.binding.generation();
  if (generation == record.graph_generation) return;
  // The first call since it was bound.
  if (stream == record.graph_stream && mode() == kSubgraph) {
    set_mode(kStandard);
    switched_off_ = true;
  }
  record.graph_generation = generation;
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
