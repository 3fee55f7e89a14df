// Torch-TensorRT engines, with the stock packages.
//
// Loading greenlane puts a kernel before the one that stock Torch-TensorRT registers for `tensorrt::execute_engine`.
// The two libraries may be loaded in either order. A call of an engine that was never bound goes straight to the stock
// kernel. A call of a bound engine joins the caller's stream as every engine does (see bound_call.hpp). The stock
// kernel then runs on the current stream, as it does from Torch-TensorRT 2.13 on.
//
// Objects of torch.classes.tensorrt.Engine gain the methods set_external_stream(int), clear_external_stream(),
// get_external_stream() and is_external_stream_set(). They use raw handles, reinterpret_cast<int64_t>(cudaStream_t),
// which must outlive the binding.
#pragma once

#include <greenlane/core/device.hpp>
#include <greenlane/torch/bindable.hpp>

#include <ATen/core/ivalue.h>

#include <cstdint>
#include <memory>
#include <string>

namespace greenlane::tensorrt {

/// The name of Torch-TensorRT's class of engines.
inline constexpr const char* kEngineClass = "__torch__.torch.classes.tensorrt.Engine";

/// Returns true if Torch-TensorRT's C++ runtime is loaded in this process.
[[nodiscard]] bool is_loaded();

/// Returns the binding of a torch.classes.tensorrt.Engine, on the device of the engine's metadata. Every handle to the
/// engine gives the same binding. If there is none yet, it is made, or null is returned if `make` is false.
/// Lifetime: the binding does not keep the engine alive. The engine, and its lane, is freed at most a few hundredths of
/// a second after its last handle.
/// Throws: StreamError for engines of Torch-TensorRT before 2.13, which choose streams regardless of the caller's.
[[nodiscard]] std::shared_ptr<StreamBinding> binding_of(const c10::IValue& engine, bool make = true);

/// Makes the engine's next call replay no graph that Torch-TensorRT recorded before. For an engine inside a module
/// whose binding has changed.
/// Throws: EngineError.
void forget_graphs(const c10::IValue& engine);

/// An engine of Torch-TensorRT's Python runtime, which is a Python object and not one of that class.
/// python_engine_binding() does the same as binding_of() for it: `id` is Python's id() of the object. Python must call
/// forget_python_engine() when the object is destroyed, before another object can have the same id.
struct PythonEngine {
  std::string name;                        ///< the engine's name
  DeviceId device;                         ///< the engine's device
  bool needs_multi_device = false;         ///< it communicates with other devices by itself
  bool may_have_auxiliary_streams = true;  ///< TensorRT may have given it further streams
};
/// Returns the binding of an engine of the Python runtime; see PythonEngine.
[[nodiscard]] std::shared_ptr<StreamBinding> python_engine_binding(std::int64_t id, const PythonEngine& description,
                                                                   bool make = true);
/// Removes the record of an engine of the Python runtime; see PythonEngine.
void forget_python_engine(std::int64_t id) noexcept;

}  // namespace greenlane::tensorrt
