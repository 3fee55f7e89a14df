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
  // Whether TensorRT may have given it streams of its own. Engines in C++ do not say.
  bool may_have_auxiliary_streams = true;
  // Whether the sizes of its outputs are known after its calls only. Engines before 2.14 do not say.
  bool needs_output_allocator = false;
  // Whether this version of Torch-TensorRT runs engines on the caller's stream (2.13 and newer).
  bool follows_caller = false;
};

// `engine` is an object of kEngineClass. Throws EngineError where its description cannot be read.
[[nodiscard]] EngineMetadata read_metadata(const c10::IValue& engine);

// Whether TensorRT-RTX captures CUDA graphs inside the engine's calls (its setting cuda_graph_strategy). Not cheap.
[[nodiscard]] bool has_own_graphs(const c10::IValue& engine);

}  // namespace greenlane::tensorrt
