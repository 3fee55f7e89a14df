// The bindings of Torch-TensorRT engines, by the identity of the engine.
#pragma once

#include <greenlane/core/binding.hpp>

#include <ATen/core/ivalue.h>

#include <memory>
#include <optional>
#include <string>

namespace greenlane::tensorrt {

// What is known of an engine that was bound at least once. What it captured is stock's, which can be made to capture
// anew: see graph_mode.hpp.
struct EngineRecord final : CapturedWork {
  EngineRecord(const Device& device, const std::string& name, bool follows_caller_ = true)
      : binding(device, name), follows_caller(follows_caller_) {
    binding.set_captured_work({std::shared_ptr<void>(), this});  // owned by nobody: it owns the binding
  }
  void require_bindable(const std::string& engine) const override;
  [[nodiscard]] std::shared_ptr<void> rebound(const std::optional<Lane>& /*lane*/) noexcept override {
    is_rebound = true;
    return nullptr;
  }
  StreamBinding binding;
  const bool follows_caller;  // stock does, from 2.13 on
  // Both under the binding's lock: whether there was no call since it was bound last, and where the call before was.
  bool is_rebound = false;
  StreamView graph_stream = StreamView::default_stream();
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
[[nodiscard]] std::shared_ptr<EngineRecord> python_record_of(const void* engine, const Device& device,
                                                             const std::string& name);
void forget_python_record(const void* engine) noexcept;

}  // namespace greenlane::tensorrt
