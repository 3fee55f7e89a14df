// What stock's own CUDA graphs ask of a call.
//
//   STANDARD     no graphs: nothing
//   SUBGRAPH     each engine records its work and replays it; stock records again when the stream is another. It knows
//                streams by their handles, and the driver gives those of destroyed streams to new ones: recorded on one
//                and replayed as the other, the kernels would run where the old stream was. So the first call after
//                any change of a binding, bound or not and whatever the handle, is made without graphs.
//   WHOLE_GRAPH  the caller captures: the join's events become edges of that graph, and its nodes stay in their
//                partitions
#pragma once

#include "torch/tensorrt/engine_table.hpp"

#include <ATen/core/ivalue.h>

#include <cstdint>
#include <optional>

namespace greenlane::tensorrt {

// Whether stock's graphs are on, in either mode. False where only stock's runtime in Python is loaded.
[[nodiscard]] bool stock_has_graphs();

// Whether stock may have a graph of this engine that was recorded before its binding changed last. Cheap.
[[nodiscard]] bool may_have_old_graph(const EngineRecord& record, const c10::IValue& engine);

// While one lives, stock's graphs are off, for all engines: in a call, stock drops the engine's graph then, and records
// a new one in the next call. Calls of other engines meanwhile only record anew, too.
// Thread safety: several may live at once; the last one to go turns graphs on again.
class GraphModeScope {
 public:
  // Throws: what stock's operators throw.
  explicit GraphModeScope(EngineRecord& record);
  ~GraphModeScope();
  GraphModeScope(const GraphModeScope&) = delete;
  GraphModeScope& operator=(const GraphModeScope&) = delete;

  // Says that the call ended well. A call that threw may have left the graph where it was.
  void finish();

 private:
  EngineRecord& record_;
  std::uint64_t generation_;
};

}  // namespace greenlane::tensorrt
