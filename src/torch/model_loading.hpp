// Loads the model of a package, after the checks that it fits the options and the device.
#pragma once

#include "torch/model_calls.hpp"
#include "torch/model_state.hpp"

#include <greenlane/core/device.hpp>
#include <greenlane/torch/aoti.hpp>
#include <greenlane/torch/signature.hpp>

#include <memory>
#include <string>
#include <unordered_map>

namespace greenlane::detail {

struct LoadedModel {
  Device device;
  Signature signature;
  std::unordered_map<std::string, std::string> metadata;
  std::unique_ptr<ModelCalls> calls;
  ModelState state;  // after `calls`, which must outlive the constants
};

// Returns true if an engine on this device has resident graphs.
[[nodiscard]] bool has_graphs(const AotiOptions& options, const Device& device);

// `options.name` is the engine's name.
// Thread safety: one load at a time in the process.
// Throws: EngineError, DeviceError.
[[nodiscard]] LoadedModel load_model(const std::string& path, const AotiOptions& options);

// Gives one warning for everything that the checks of an engine's inputs cannot cover.
void warn_of_unchecked(const std::string& engine, const Signature& signature);

}  // namespace greenlane::detail
