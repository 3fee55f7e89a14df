// What a Torch-TensorRT engine says of itself, without touching the TensorRT engine in it.
#pragma once

#include <greenlane/core/device.hpp>

#include <ATen/core/ivalue.h>

#include <string>

namespace greenlane::tensorrt {

struct EngineMetadata {
  std::string name;
  DeviceId device;
  // Compiled to talk to engines on other devices by itself.
  bool needs_multi_device = false;
  // Whether this version of Torch-TensorRT runs engines on the caller's stream (2.13 and newer).
  bool follows_caller = false;
};

// `engine` is an object of kEngineClass. Throws EngineError where its description cannot be read.
[[nodiscard]] EngineMetadata read_metadata(const c10::IValue& engine);

}  // namespace greenlane::tensorrt
