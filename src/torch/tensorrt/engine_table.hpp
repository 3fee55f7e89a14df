// The bindings of Torch-TensorRT engines, found by the engine's identity.
#pragma once

#include "core/graphs/capture_scope.hpp"
#include "torch/engine_calls.hpp"
#include "torch/tensorrt/engine_metadata.hpp"

#include <greenlane/core/binding.hpp>

#include <ATen/core/ivalue.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace greenlane::tensorrt {

// The record of an engine that was bound at least once. Graphs of stock Torch-TensorRT can be captured again: see
// graph_mode.hpp. Graphs that TensorRT-RTX captures inside the engine cannot.
struct EngineRecord final : CapturedWork {
  EngineRecord(const Device& device, const std::string& name, bool follows_caller_ = true)
      : binding(device, name), follows_caller(follows_caller_) {
    binding.set_captured_work({std::shared_ptr<void>(), this});  // not owning, because the record owns the binding
  }
  void require_bindable(const std::string& engine) const override;
  void require_movable(const std::string& engine) const override;
  [[nodiscard]] std::shared_ptr<void> rebound(const std::optional<Lane>& lane) noexcept override;
  StreamBinding binding;
  detail::EngineCalls calls{binding, 1};  // one execution context, so one graph
  const bool follows_caller;              // stock Torch-TensorRT does, from 2.13 on
  bool needs_output_allocator = false;    // set before other threads know the record
  std::function<bool()> has_own_graphs;   // whether TensorRT-RTX captures in it; may be empty; set as early
  static constexpr std::uint64_t kNever = ~std::uint64_t{0};
  // The binding's generation at the last call after which no older graph of stock Torch-TensorRT was left. The first
  // generation counts from the making of the record.
  std::atomic<std::uint64_t> graphs_current_at{0};

  // True once a graph holds calls of the engine, or may do so.
  std::atomic<bool> is_watched{false};
  // True once a call wrote to one of its inputs.
  std::atomic<bool> writes_inputs{false};
  // Notes what the one execution context of a watched engine is set to for a call, such as the inputs' shapes. Whatever
  // was captured from the context before a change is captured anew.
  // Thread safety: any thread.
  // Returns true if the setting is another than at the last call.
  bool note_context(std::vector<std::int64_t> setting);
  // A number that grows with every change of the context.
  const detail::CaptureScope::Generation context_changes = std::make_shared<std::atomic<std::uint64_t>>(0);

 private:
  detail::ForkSafeMutex mutex_{};
  std::vector<std::int64_t> context_;
};

// An engine can have many handles (IValues, Python objects), which share the object that they hold. A record holds that
// object weakly, so that no other object gets its address while the record exists. A weak reference keeps the object's
// memory. Therefore a thread, started with the first record, looks every 20 ms for engines that are gone while there
// are such records.

// Returns an engine's record; null if the engine was never bound. Cheap.
// Thread safety: find_record() and record_of() may be called by any thread.
[[nodiscard]] std::shared_ptr<EngineRecord> find_record(const c10::IValue& engine) noexcept;
// Returns an engine's record, and makes one if there is none.
// Throws: EngineError.
[[nodiscard]] std::shared_ptr<EngineRecord> record_of(const c10::IValue& engine);
// Returns how the calls of an engine run; null for an object of another class.
// Throws: EngineError.
[[nodiscard]] std::shared_ptr<detail::EngineCalls> calls_of(const c10::IValue& engine);

// Records of an engine that is a Python object at this address. They stay until Python says that the object is gone.
[[nodiscard]] std::shared_ptr<EngineRecord> find_python_record(const void* engine) noexcept;
[[nodiscard]] std::shared_ptr<EngineRecord> python_record_of(const void* engine, const EngineMetadata& metadata);
void forget_python_record(const void* engine) noexcept;

}  // namespace greenlane::tensorrt
