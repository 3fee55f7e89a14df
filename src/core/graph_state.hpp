// What stands behind a Graph.
#pragma once

#include "core/device_state.hpp"

#include <greenlane/core/graph.hpp>

#include <memory>
#include <vector>

namespace greenlane {

struct Graph::State {
  std::vector<Lane> lanes;  // the first member: their units outlive the graph
  std::unique_ptr<detail::GraphBackend> backend;
};

}  // namespace greenlane
