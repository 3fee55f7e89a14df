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
  // Of a moved graph: the stream of its capture. Libraries have memory for each stream, which the graph goes on using.
  // The stream's green context exists for as long, but its units may be in other partitions.
  struct CapturedOn {
    std::shared_ptr<const void> keep_alive;  // the owner of an adopted stream; released after the backend
    std::shared_ptr<detail::LaneBackend> backend;
  };
  CapturedOn captured_on;
};

}  // namespace greenlane
