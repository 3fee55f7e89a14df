// A Torch-TensorRT engine's description of itself, read without touching the TensorRT engine inside.
#pragma once

#include <greenlane/core/device.hpp>

#include <ATen/core/ivalue.h>

#include <string>

namespace greenlane::tensorrt {

struct EngineMetadata {
  std::string name;
  DeviceId device;
  // True if it was compiled to talk to engines on other devices by itself.
  bool needs_multi_device = false;
  // True if TensorRT may have given it streams of its own. Engines in C++ do not say.
  bool may_have_auxiliary_streams = true;
  // True if the sizes of its outputs are known only after its calls. Engines before 2.14 do not say.
  bool needs_output_allocator = false;
  // True if this version of Torch-TensorRT runs engines on the caller's stream (2.13 and newer).
  bool follows_caller = false;
};

// Reads the metadata of an object of kEngineClass.
// Throws: EngineError if its description cannot be read.
[[nodiscard]] EngineMetadata read_metadata(const c10::IValue& engine);

// Returns whether TensorRT-RTX captures CUDA graphs inside the engine's calls (its setting cuda_graph_strategy). Slow.
[[nodiscard]] bool has_own_graphs(const c10::IValue& engine);

}  // namespace greenlane::tensorrt
