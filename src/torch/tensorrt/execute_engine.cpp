// The kernel of `tensorrt::execute_engine` that stands before stock's.
#include "torch/tensorrt/engine_table.hpp"
#include "torch/tensorrt/graph_mode.hpp"
#include "torch/tensorrt/passthrough.hpp"

#include <greenlane/torch/bound_call.hpp>

#include <torch/library.h>

#include <optional>
#include <vector>

namespace greenlane::tensorrt {
namespace {

// tensorrt::execute_engine(Tensor[] input_tensors, __torch__.torch.classes.tensorrt.Engine engine) -> Tensor[]
// Boxed, because a typed kernel with another signature than stock's ends the process.
void call_stock(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  // Where stock registered it.
  op.callBoxedForDispatchKey(c10::DispatchKey::CompositeExplicitAutograd, *stack);
}

// Without the graph that stock recorded before the engine's binding changed.
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
  // Every original input: stock tells the allocator of the copies that it makes, and of no others.
  const auto inputs = stack->at(stack->size() - 2).toTensorVector();
  BoundCall call(record->binding, inputs);
  std::optional<PassthroughScope> passthrough;
  if (!call.is_bound()) passthrough.emplace(*stack);
  call_stock(op, stack, *record);
  passthrough.reset();
  call.finish(stack->back().toTensorVector());
}

// Engines that take no tensors have no key to be dispatched by, and would miss the kernels below.
void select_backend(const c10::OperatorHandle& op, c10::DispatchKeySet keys, torch::jit::Stack* stack) {
  if (stack->at(stack->size() - 2).toListRef().empty()) {
    execute_engine(op, stack);
    return;
  }
  op.redispatchBoxed(keys & c10::DispatchKeySet(c10::DispatchKeySet::FULL_AFTER, c10::DispatchKey::BackendSelect),
                     stack);
}

}  // namespace

// May be registered before the operator is known.
TORCH_LIBRARY_IMPL(tensorrt, CUDA, m) {
  m.impl("execute_engine", torch::CppFunction::makeFromBoxedFunction<&execute_engine>());
}
// Stock moves inputs that are on the CPU to the GPU by itself.
TORCH_LIBRARY_IMPL(tensorrt, CPU, m) {
  m.impl("execute_engine", torch::CppFunction::makeFromBoxedFunction<&execute_engine>());
}
TORCH_LIBRARY_IMPL(tensorrt, BackendSelect, m) {
  m.impl("execute_engine", torch::CppFunction::makeFromBoxedFunction<&select_backend>());
}

}  // namespace greenlane::tensorrt
