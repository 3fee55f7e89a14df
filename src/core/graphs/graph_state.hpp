// The state behind a Graph.
#pragma once

#include "core/device_state.hpp"
#include "core/graphs/capture_scope.hpp"

#include <greenlane/core/graph.hpp>

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace greenlane {

struct Graph::State {
  std::vector<Lane> lanes;  // the first member: their units outlive the graph
  // The captured engines' binding generations, and their values at the capture.
  Noted generations;
  Noted contexts;  // the same for the settings of engines
  std::unique_ptr<detail::GraphBackend> backend;
  // Of a moved graph: the stream of the capture. Libraries have memory for each stream, which the graph goes on using.
  std::shared_ptr<detail::LaneBackend> capture_stream;
};

}  // namespace greenlane
