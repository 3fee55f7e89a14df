// The bindings of Torch-TensorRT engines, by the identity of the engine.
#pragma once

#include "torch/tensorrt/engine_metadata.hpp"

#include <greenlane/core/binding.hpp>

#include <ATen/core/ivalue.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace greenlane::tensorrt {

// What is known of an engine that was bound at least once. What stock captured of it can be captured anew: see
// graph_mode.hpp. What TensorRT-RTX captures inside it cannot.
struct EngineRecord final : CapturedWork {
  EngineRecord(const Device& device, const std::string& name, bool follows_caller_ = true)
      : binding(device, name), follows_caller(follows_caller_) {
    binding.set_captured_work({std::shared_ptr<void>(), this});  // owned by nobody: it owns the binding
  }
  void require_bindable(const std::string& engine) const override;
  void require_movable(const std::string& engine) const override;
  [[nodiscard]] std::shared_ptr<void> rebound(const std::optional<Lane>& lane) noexcept override;
  StreamBinding binding;
  const bool follows_caller;             // stock does, from 2.13 on
  bool needs_output_allocator = false;   // set before anybody else knows the record
  std::function<bool()> has_own_graphs;  // whether TensorRT-RTX captures in it; may be empty, and set as that
  static constexpr std::uint64_t kNever = ~std::uint64_t{0};
  // The binding's generation in a call that left no graph of stock's from before it; of the first, when it was made.
  std::atomic<std::uint64_t> graphs_current_at{0};
};

// Handles to one engine may be many (IValues, Python objects): what they share is the object that they hold. Records
// hold that object weakly, so that its address is nobody else's while the record is there. A weak reference keeps the
// memory of what it points to; so records of engines that are gone are looked for every few milliseconds by a thread of
// their own, which exists only while there are records.

// Nothing where the engine was never bound; cheap. Thread safety: both.
[[nodiscard]] std::shared_ptr<EngineRecord> find_record(const c10::IValue& engine) noexcept;
// Made where there is none. Throws EngineError.
[[nodiscard]] std::shared_ptr<EngineRecord> record_of(const c10::IValue& engine);

// Of an engine that is a Python object at this address, as long as Python says that it is there.
[[nodiscard]] std::shared_ptr<EngineRecord> find_python_record(const void* engine) noexcept;
[[nodiscard]] std::shared_ptr<EngineRecord> python_record_of(const void* engine, const EngineMetadata& metadata);
void forget_python_record(const void* engine) noexcept;

}  // namespace greenlane::tensorrt
