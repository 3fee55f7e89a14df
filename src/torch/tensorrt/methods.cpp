// Methods that are added to the class of stock Torch-TensorRT's engines as soon as it exists.
#include "torch/tensorrt/engine_table.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/core/log.hpp>
#include <greenlane/torch/tensorrt.hpp>

#include <ATen/core/builtin_function.h>
#include <ATen/core/class_type.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/custom_class_detail.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace greenlane::tensorrt {
namespace {

using torch::jit::Stack;

// Adds a method `name(self, …)`. `call` finds its arguments on the stack, and leaves one result there.
void add_method(const c10::ClassTypePtr& type, const std::string& name, std::vector<c10::Argument> more,
                const c10::TypePtr& result, std::function<void(Stack&)> call) {
  if (type->findMethod(name)) return;
  std::vector<c10::Argument> arguments{c10::Argument("self", type)};
  for (auto& argument : more) arguments.push_back(std::move(argument));
  auto method = std::make_unique<torch::jit::BuiltinOpFunction>(
      c10::QualifiedName(c10::QualifiedName(kEngineClass), name),
      c10::FunctionSchema(name, "", std::move(arguments), {c10::Argument("", result)}), std::move(call));
  type->addMethod(method.get());
  torch::registerCustomClassMethod(std::move(method));
}

void set_external_stream(Stack& stack) {
  const auto stream = StreamView::from_value(torch::jit::pop(stack).toInt());
  const auto record = record_of(torch::jit::pop(stack));
  record->binding.set(Lane::adopt(record->binding.device(), stream));
  stack.emplace_back();
}

void clear_external_stream(Stack& stack) {
  if (const auto record = find_record(torch::jit::pop(stack))) record->binding.clear();
  stack.emplace_back();
}

void get_external_stream(Stack& stack) {
  const auto record = find_record(torch::jit::pop(stack));
  const auto stream = record ? record->binding.stream() : std::nullopt;
  stack.emplace_back(stream ? stream->value() : std::int64_t{0});
}

void is_external_stream_set(Stack& stack) {
  const auto record = find_record(torch::jit::pop(stack));
  stack.emplace_back(record && record->binding.is_set());
}

void add_methods() {
  const auto type = torch::getCustomClass(kEngineClass);
  if (!type) return;  // the operator belongs to the runtime in Python
  const auto none = c10::NoneType::get();
  add_method(type, "set_external_stream", {c10::Argument("stream", c10::IntType::get())}, none, set_external_stream);
  add_method(type, "clear_external_stream", {}, none, clear_external_stream);
  add_method(type, "get_external_stream", {}, c10::IntType::get(), get_external_stream);
  add_method(type, "is_external_stream_set", {}, c10::BoolType::get(), is_external_stream_set);
}

class StockListener final : public c10::OpRegistrationListener {
 public:
  void onOperatorRegistered(const c10::OperatorHandle& op) override {
    if (op.operator_name().name != "tensorrt::execute_engine") return;
    try {
      add_methods();
    } catch (const std::exception& error) {
      warn(std::string("Torch-TensorRT's engines gain no methods: ") + error.what());
    }
  }
  void onOperatorDeregistered(const c10::OperatorHandle& /*op*/) override {}
};

// The listener is called at once for operators that are registered already. It is never removed, because PyTorch
// outlives this library's statics.
[[maybe_unused]] const bool is_listening = [] {
  static auto* const handle = new c10::RegistrationHandleRAII(
      c10::Dispatcher::singleton().addRegistrationListener(std::make_unique<StockListener>()));
  register_bindable_class(kEngineClass, binding_of);
  return handle != nullptr;
}();

}  // namespace

bool is_loaded() { return torch::getCustomClass(kEngineClass) != nullptr; }

std::shared_ptr<StreamBinding> binding_of(const c10::IValue& engine, bool make) {
  const auto record = make ? record_of(engine) : find_record(engine);
  if (!record) return nullptr;
  return {record, &record->binding};
}

std::shared_ptr<StreamBinding> python_engine_binding(std::int64_t id, const PythonEngine& description, bool make) {
  const auto* const engine = reinterpret_cast<const void*>(id);  // NOLINT(performance-no-int-to-ptr)
  const auto record =
      make ? python_record_of(engine, {.name = description.name,
                                       .device = description.device,
                                       .needs_multi_device = description.needs_multi_device,
                                       .may_have_auxiliary_streams = description.may_have_auxiliary_streams,
                                       .follows_caller = true})
           : find_python_record(engine);
  if (!record) return nullptr;
  return {record, &record->binding};
}

void forget_graphs(const c10::IValue& engine) {
  record_of(engine)->graphs_current_at.store(EngineRecord::kNever, std::memory_order_release);
}

void forget_python_engine(std::int64_t id) noexcept {
  forget_python_record(reinterpret_cast<const void*>(id));  // NOLINT(performance-no-int-to-ptr)
}

}  // namespace greenlane::tensorrt
