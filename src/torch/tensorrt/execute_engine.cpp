// The kernel of `tensorrt::execute_engine` that runs before the kernel of stock Torch-TensorRT.
#include "core/graphs/capture_scope.hpp"
#include "torch/graphs/captured_call.hpp"
#include "torch/tensorrt/context_setting.hpp"
#include "torch/tensorrt/engine_table.hpp"
#include "torch/tensorrt/graph_mode.hpp"
#include "torch/tensorrt/passthrough.hpp"
#include "torch/writes.hpp"

#include <greenlane/detail/torch/bound_call.hpp>

#include <torch/library.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
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

// Returns the engine's record; null if it was never bound and is not captured. A capture needs a record, because the
// graph must notice when the engine's context is set to another shape.
std::shared_ptr<EngineRecord> record_for(const c10::IValue& engine) {
  auto record = find_record(engine);
  if (record || !detail::CaptureScope::is_active() || !engine.isObject()) return record;
  return record_of(engine);
}

// Returns why a call of the engine cannot be captured; empty if it can.
std::string_view capture_obstacle(const EngineRecord& record, const c10::IValue& engine) {
  if (record.writes_inputs) return "it writes to its inputs (aliased outputs)";
  // The engine would give the memory that the graph writes to another call.
  if (record.needs_output_allocator || uses_output_allocator(engine))
    return "the sizes of its outputs are known only after its calls (output allocator)";
  if (keeps_outputs(engine)) return "it keeps its outputs from one call to the next (use_pre_allocated_outputs)";
  if (stock_has_graphs()) return "Torch-TensorRT's own CUDA graphs are on";
  return {};
}

// Notes a call in the graph that is being captured in this thread, or prepared.
// Throws: std::runtime_error if the call cannot be captured.
void note_capture(EngineRecord& record, const c10::IValue& engine) {
  if (!detail::CaptureScope::is_active()) return;
  detail::CaptureScope::note(record.binding, record.context_changes, /*is_context=*/true);
  if (!detail::CaptureScope::captures()) return;
  if (const auto obstacle = capture_obstacle(record, engine); !obstacle.empty())
    throw std::runtime_error("engine '" + record.binding.owner() + "' cannot be captured: " + std::string(obstacle));
}

// Notes whether a call wrote to its inputs: an output then is an input, or a part of one.
void note_writes(EngineRecord& record, const std::vector<at::Tensor>& inputs, const std::vector<at::Tensor>& outputs) {
  if (record.writes_inputs) return;
  for (const auto& output : outputs) {
    if (std::ranges::any_of(inputs, [&](const auto& input) { return detail::share_memory(input, output); }))
      record.writes_inputs = true;
  }
}

// Calls it from a graph of the engine's own, or urgently.
std::vector<at::Tensor> call_in_its_way(const c10::OperatorHandle& op, const torch::jit::Stack& stack,
                                        EngineRecord& record, const BoundCall& call,
                                        const std::vector<at::Tensor>& inputs) {
  const auto& engine = stack.back();
  const auto model = [&](const std::vector<at::Tensor>& given) {
    note_capture(record, engine);
    torch::jit::Stack own{c10::IValue(given), engine};
    call_stock(op, &own, record);
    auto outputs = own.back().toTensorVector();
    note_writes(record, given, outputs);
    return outputs;
  };
  // Stock Torch-TensorRT's own graphs would be captured in ours.
  if (record.calls.graphs() && stock_has_graphs()) {
    auto pass = record.calls.pass(call);
    auto outputs = model(inputs);
    if (pass) pass->enqueued(call);
    return outputs;
  }
  return record.calls.run(call, inputs, {.context = record.context_changes->load(std::memory_order_acquire)}, model);
}

void execute_engine(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const auto record = record_for(stack->back());
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
  if (detail::CaptureScope::is_active() || record->calls.graphs()) record->is_watched = true;
  if (record->is_watched && record->note_context(context_setting(stack->back(), inputs)) &&
      detail::CaptureScope::captures())
    throw std::runtime_error(detail::kContextChanged);
  if (call.is_bound() && !record->calls.is_plain()) {
    auto outputs = call_in_its_way(op, *stack, *record, call, inputs);
    call.finish(outputs);
    torch::jit::drop(*stack, 2);
    stack->emplace_back(std::move(outputs));
    return;
  }
  std::optional<PassthroughScope> passthrough;
  if (!call.is_bound()) passthrough.emplace(*stack);
  note_capture(*record, stack->back());
  call_stock(op, stack, *record);
  passthrough.reset();
  const auto outputs = stack->back().toTensorVector();
  if (record->is_watched) note_writes(*record, inputs, outputs);
  call.finish(outputs);
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
