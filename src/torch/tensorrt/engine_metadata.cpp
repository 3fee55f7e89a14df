#include "torch/tensorrt/engine_metadata.hpp"

#include <greenlane/core/error.hpp>

#include <ATen/core/class_type.h>
#include <ATen/core/function.h>
#include <link.h>

#include <charconv>
#include <string_view>
#include <vector>

namespace greenlane::tensorrt {
namespace {

// Indices of fields in the metadata, an interface of Torch-TensorRT (NAME_IDX, DEVICE_IDX,
// REQUIRES_OUTPUT_ALLOCATOR_IDX).
constexpr std::size_t kNameField = 1;
constexpr std::size_t kDeviceField = 2;
constexpr std::size_t kOutputAllocatorField = 9;

c10::IValue call(const c10::IValue& engine, torch::jit::Function& method) {
  return method(std::vector<c10::IValue>{engine});
}

// Returns the text from `before` up to `after`, or up to the end; empty if `before` is not there.
std::string_view between(std::string_view text, std::string_view before, std::string_view after) {
  const auto start = text.find(before);
  if (start == std::string_view::npos) return {};
  text.remove_prefix(start + before.size());
  return text.substr(0, text.find(after));
}

// Reads the device: a GPU's index, or "cpu" for an engine that is not TensorRT's.
// Throws: EngineError.
DeviceId device_of(std::string_view text, const std::string& name) {
  int index = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), index);
  if (error == std::errc{} && index >= 0) return {DeviceKind::cuda, index};
  if (text == "cpu") return {DeviceKind::cpu, 0};
  throw EngineError({.what = "the Torch-TensorRT engine '" + name + "' cannot be bound",
                     .why = "its device field has an unknown format",
                     .remedy = "use a version of Torch-TensorRT that this version of greenlane knows: 2.13 or 2.14"});
}

// Returns whether TensorRT-RTX is loaded. Without it, its setting exists but does nothing.
bool is_rtx_loaded() {
  const auto look = [](dl_phdr_info* library, std::size_t /*size*/, void* /*data*/) -> int {
    return library->dlpi_name && std::string_view(library->dlpi_name).find("libtensorrt_rtx") != std::string_view::npos;
  };
  return dl_iterate_phdr(look, nullptr) != 0;
}

}  // namespace

EngineMetadata read_metadata(const c10::IValue& engine) {
  const auto type = engine.toObjectRef().type();
  EngineMetadata metadata;
  // This method was added in 2.13, the version in which engines began to follow the caller's stream.
  metadata.follows_caller = type->findMethod("num_execution_contexts_created") != nullptr;
  if (auto* const cheap = type->findMethod("serialize_metadata_only")) {
    const auto record = call(engine, *cheap);  // owns the fields that the next lines use
    const auto fields = record.toListRef();
    metadata.name = fields.at(kNameField).toStringRef();
    const std::string device = fields.at(kDeviceField).toStringRef();  // "id%major%minor%type%name"
    metadata.device = device_of(std::string_view(device).substr(0, device.find('%')), metadata.name);
    metadata.needs_output_allocator = fields.at(kOutputAllocatorField).toStringRef() == "1";
  } else {                                                                            // before 2.14
    const std::string text = call(engine, type->getMethod("__str__")).toStringRef();  // a copy
    metadata.name = between(text, "  Name: ", "\n");
    metadata.device = device_of(between(text, "Device(ID: ", ","), metadata.name);
  }
  if (const auto property = type->getProperty("requires_native_multidevice"))
    metadata.needs_multi_device = call(engine, *property->getter).toBool();
  return metadata;
}

bool has_own_graphs(const c10::IValue& engine) {
  const std::string text = call(engine, engine.toObjectRef().type()->getMethod("__str__")).toStringRef();  // a copy
  const auto strategy = between(text, "CUDA Graph Strategy: ", "\n");
  return !strategy.empty() && strategy != "disabled" && is_rtx_loaded();
}

}  // namespace greenlane::tensorrt
