// The effect of stock Torch-TensorRT's own CUDA graphs on a call.
//
//   STANDARD     No graphs; nothing to do.
//   SUBGRAPH     Each engine records its work and replays it, and records again if the stream is another one.
//                Streams are compared by their handles, and the driver gives handles of destroyed streams to new
//                ones. A graph that is recorded on one stream and replayed as if on the other would run its kernels
//                in the old stream's units. So the first call after any change of a binding, bound or not and
//                whatever the handle, is made without graphs.
//   WHOLE_GRAPH  The caller captures: the join's events become edges of that graph, and its nodes stay in their
//                partitions.
#pragma once

#include "torch/tensorrt/engine_table.hpp"

#include <ATen/core/ivalue.h>

#include <cstdint>
#include <optional>

namespace greenlane::tensorrt {

// Returns whether stock Torch-TensorRT's graphs are on, in either mode. False if only its runtime in Python is loaded.
[[nodiscard]] bool stock_has_graphs();

// Returns whether there may be a graph of this engine from before its binding's last change. Cheap.
[[nodiscard]] bool may_have_old_graph(const EngineRecord& record, const c10::IValue& engine);

// A scope in which stock Torch-TensorRT's graphs are off, for all engines. A call inside it drops the engine's graph,
// and the next call records a new one. Calls of other engines at that time only have to record again.
// Thread safety: several scopes may exist at once; the last one turns graphs on again.
class GraphModeScope {
 public:
  // Throws: the errors of stock Torch-TensorRT's operators.
  explicit GraphModeScope(EngineRecord& record);
  ~GraphModeScope();
  GraphModeScope(const GraphModeScope&) = delete;
  GraphModeScope& operator=(const GraphModeScope&) = delete;

  // Notes that the call succeeded. A call that threw may have left the graph in place.
  void finish();

 private:
  EngineRecord& record_;
  std::uint64_t generation_;
};

}  // namespace greenlane::tensorrt
