// Torch-TensorRT engines, with the stock packages.
//
// Loading greenlane puts a kernel before stock's own behind `tensorrt::execute_engine`, whichever of the two libraries
// comes first. A call of an engine that was never bound goes straight to stock. A bound one joins the caller's stream
// as every engine does (see bound_call.hpp), and stock runs on the stream that is then current, as it does from 2.13
// on.
//
// Objects of torch.classes.tensorrt.Engine gain the methods set_external_stream(int), clear_external_stream(),
// get_external_stream() and is_external_stream_set(), with raw handles, reinterpret_cast<int64_t>(cudaStream_t), that
// must outlive the binding.
#pragma once

#include <greenlane/torch/bindable.hpp>

#include <ATen/core/ivalue.h>

#include <cstdint>
#include <memory>
#include <string>

namespace greenlane::tensorrt {

inline constexpr const char* kEngineClass = "__torch__.torch.classes.tensorrt.Engine";

// Whether stock's runtime is loaded in this process.
[[nodiscard]] bool is_loaded();

// The binding of a torch.classes.tensorrt.Engine, on the device of its own metadata; the same for every handle to it.
// Where it was never asked for, it is made, or (without `make`) null is given. It does not keep the engine alive: that
// is freed at most a few hundredths of a second after its last handle, and its lane with it. Engines of
// Torch-TensorRT before 2.13, which choose streams regardless of the caller's, refuse to be bound: StreamError.
[[nodiscard]] std::shared_ptr<StreamBinding> binding_of(const c10::IValue& engine, bool make = true);

// For an engine inside a module whose binding has changed: its next call replays no graph that stock recorded before.
// Throws EngineError.
void forget_graphs(const c10::IValue& engine);

// The same as binding_of for an engine of stock's Python runtime, which is no object of that class but Python's own:
// `id` is what Python calls id(), and Python has to say when the object goes, before its memory is another's.
struct PythonEngine {
  std::string name;
  DeviceId device;
  bool needs_multi_device = false;         // it talks to other devices by itself
  bool may_have_auxiliary_streams = true;  // TensorRT may have given it streams of its own
};
[[nodiscard]] std::shared_ptr<StreamBinding> python_engine_binding(std::int64_t id, const PythonEngine& description,
                                                                   bool make = true);
void forget_python_engine(std::int64_t id) noexcept;

}  // namespace greenlane::tensorrt
