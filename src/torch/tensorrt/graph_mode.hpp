// What stock's own CUDA graphs ask of a bound call.
//
//   STANDARD     no graphs: nothing
//   SUBGRAPH     each engine records its work and replays it; stock records again when the stream is another. It knows
//                streams by their handles, and the driver gives those of destroyed streams to new ones: recorded on one
//                and replayed as the other, the kernels would run where the old stream was.
//   WHOLE_GRAPH  the caller captures: the join's events become edges of that graph, and its nodes stay in their
//                partitions
#pragma once

#include "torch/tensorrt/engine_table.hpp"

namespace greenlane::tensorrt {

// While this lives, stock's graphs are off where the engine's graph was recorded on another stream that had the same
// handle: stock then drops the graph, and the next call records a new one. Made within a bound call, whose lock it
// needs.
class GraphModeScope {
 public:
  GraphModeScope(EngineRecord& record, StreamView stream);
  ~GraphModeScope();
  GraphModeScope(const GraphModeScope&) = delete;
  GraphModeScope& operator=(const GraphModeScope&) = delete;

 private:
  bool switched_off_ = false;
};

}  // namespace greenlane::tensorrt
