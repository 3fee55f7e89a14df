// The kernel of `tensorrt::execute_engine` that runs before the kernel of stock Torch-TensorRT.
#include "torch/tensorrt/engine_table.hpp"
#include "torch/tensorrt/graph_mode.hpp"
#include "torch/tensorrt/passthrough.hpp"

#include <greenlane/detail/torch/bound_call.hpp>

#include <torch/library.h>

#include <optional>
#include <vector>

namespace greenlane::tensorrt {
namespace {

// Calls the kernel of stock Torch-TensorRT:
// tensorrt::execute_engine(Tensor[] input_tensors, __torch__.torch.classes.tensorrt.Engine engine) -> Tensor[]
// Boxed, because a typed kernel with another signature than stock Torch-TensorRT's ends the process.
void call_stock(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  // Stock Torch-TensorRT registered its kernel under this key.
  op.callBoxedForDispatchKey(c10::DispatchKey::CompositeExplicitAutograd, *stack);
}

// Calls it without a graph that was recorded before the engine's binding changed.
void call_stock(const c10::OperatorHandle& op, torch::jit::Stack* stack, EngineRecord& record) {
  if (!may_have_old_graph(record, stack->back())) {
    call_stock(op, stack);
    return;
  }
  GraphModeScope graphs(record);
  call_stock(op, stack);
  graphs.finish();
}

void execute_engine(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const auto record = find_record(stack->back());
  if (!record) {
    const PassthroughScope passthrough(*stack);
    call_stock(op, stack);
    return;
  }
  if (record->binding.device().id().kind == DeviceKind::cpu) {
    call_on_cpu(record->binding, [&] { call_stock(op, stack, *record); });
    return;
  }
  // All original inputs, because stock Torch-TensorRT records only its own copies with the allocator.
  const auto inputs = stack->at(stack->size() - 2).toTensorVector();
  BoundCall call(record->binding, inputs);
  std::optional<PassthroughScope> passthrough;
  if (!call.is_bound()) passthrough.emplace(*stack);
  call_stock(op, stack, *record);
  passthrough.reset();
  call.finish(stack->back().toTensorVector());
}

// Runs engines without input tensors: they have no key to be dispatched by, and would miss the kernels below.
void select_backend(const c10::OperatorHandle& op, c10::DispatchKeySet keys, torch::jit::Stack* stack) {
  if (stack->at(stack->size() - 2).toListRef().empty()) {
    execute_engine(op, stack);
    return;
  }
  op.redispatchBoxed(keys & c10::DispatchKeySet(c10::DispatchKeySet::FULL_AFTER, c10::DispatchKey::BackendSelect),
                     stack);
}

}  // namespace

// These may be registered before the operator is known.
TORCH_LIBRARY_IMPL(tensorrt, CUDA, m) {
  m.impl("execute_engine", torch::CppFunction::makeFromBoxedFunction<&execute_engine>());
}
// Stock Torch-TensorRT moves inputs from the CPU to the GPU by itself.
TORCH_LIBRARY_IMPL(tensorrt, CPU, m) {
  m.impl("execute_engine", torch::CppFunction::makeFromBoxedFunction<&execute_engine>());
}
TORCH_LIBRARY_IMPL(tensorrt, BackendSelect, m) {
  m.impl("execute_engine", torch::CppFunction::makeFromBoxedFunction<&select_backend>());
}

}  // namespace greenlane::tensorrt
