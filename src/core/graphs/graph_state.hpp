// What stands behind a Graph.
#pragma once

#include "core/device_state.hpp"
#include "core/graphs/capture_scope.hpp"

#include <greenlane/core/graphs/graph.hpp>

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace greenlane {

struct Graph::State {
  std::vector<Lane> lanes;  // the first member: their units outlive the graph
  // Of the bindings of the engines in it, and what they were.
  std::vector<std::pair<detail::CaptureScope::Generation, std::uint64_t>> generations;
  std::unique_ptr<detail::GraphBackend> backend;
};

}  // namespace greenlane
