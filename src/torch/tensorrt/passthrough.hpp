// The passthrough (set_engine_stream_passthrough) for calls of Torch-TensorRT engines that are not bound.
//
// Stock Torch-TensorRT runs an engine on the caller's stream, except if that is the default stream: then it uses a
// stream of PyTorch's pool, and joins it by events. With the passthrough on, no pool stream is used: the engine runs on
// a stream that CUDA itself orders as the default stream (a blocking stream, one for each GPU, never destroyed).
// Stock Torch-TensorRT's own CUDA graphs (SUBGRAPH, WHOLE_GRAPH) need a stream that can be captured, so the passthrough
// does not change such calls from the default stream.
#pragma once

#include <ATen/core/stack.h>
#include <c10/cuda/CUDAStream.h>

#include <optional>

namespace greenlane::tensorrt {

// A scope in which stock Torch-TensorRT finds the stream that the passthrough asks for. It does nothing if the
// passthrough is off, on a machine without a GPU, and for engines of the runtime in Python, whose graphs it does not
// see.
// Lifetime: destroy it on the thread that made it.
class PassthroughScope {
 public:
  // `stack` holds the arguments of tensorrt::execute_engine.
  // Throws: StreamError.
  explicit PassthroughScope(const torch::jit::Stack& stack);
  ~PassthroughScope();
  PassthroughScope(const PassthroughScope&) = delete;
  PassthroughScope& operator=(const PassthroughScope&) = delete;

 private:
  std::optional<c10::cuda::CUDAStream> former_;
};

}  // namespace greenlane::tensorrt
