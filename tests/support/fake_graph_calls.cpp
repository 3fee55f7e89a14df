// Graphs: their capture from streams, and their launches.
#include "support/fake_driver_calls.hpp"

#include <algorithm>

namespace greenlane::fake {

CUresult fake_cuStreamBeginCapture(CUstream stream, CUstreamCaptureMode mode) {
  return call("cuStreamBeginCapture", [&](State& s) {
    if (is_reserved(stream)) return s.violate("a default stream captured", CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
    Stream* found = s.find(stream, 0);
    if (!found) return s.violate("an unknown stream captured", CUDA_ERROR_INVALID_HANDLE);
    if (mode != CU_STREAM_CAPTURE_MODE_THREAD_LOCAL) s.violate("a capture that disturbs other threads", CUDA_SUCCESS);
    if (found->capture != CU_STREAM_CAPTURE_STATUS_NONE)
      return s.violate("a captured stream captured", CUDA_ERROR_ILLEGAL_STATE);
    found->capture = CU_STREAM_CAPTURE_STATUS_ACTIVE;
    found->capture_id = s.next_capture++;
    found->joined = true;
    s.captures[found->capture_id] = {.origin = stream, .graph = s.new_handle<CUgraph>(), .nodes = {}};
    s.objects_of_graphs.try_emplace(s.captures[found->capture_id].graph);
    return CUDA_SUCCESS;
  });
}

CUresult fake_cuStreamEndCapture(CUstream stream, CUgraph* graph) {
  const auto end = [&](State& s) {
    *graph = nullptr;
    Stream* found = s.find(stream, 0);
    if (!found || found->capture_id == 0) return s.violate("no capture ended", CUDA_ERROR_ILLEGAL_STATE);
    const auto id = found->capture_id;
    auto capture = s.captures.extract(id);
    if (capture.mapped().origin != stream) s.violate("a capture ended elsewhere", CUDA_SUCCESS);
    const bool invalid = found->capture == CU_STREAM_CAPTURE_STATUS_INVALIDATED;
    bool joined = true;
    for (auto& [handle, other] : s.streams) {
      if (other.capture_id != id) continue;
      joined = joined && other.joined;
      other.capture = CU_STREAM_CAPTURE_STATUS_NONE;
      other.capture_id = 0;
      other.joined = true;
    }
    for (auto& [handle, event] : s.events) {
      if (event.capture_id == id) event = {.device = event.device, .recorded = false, .clock = {}};
    }
    if (invalid || !joined) {
      s.release(s.objects_of_graphs.extract(capture.mapped().graph).mapped());
      return invalid ? CUDA_ERROR_STREAM_CAPTURE_INVALIDATED : CUDA_ERROR_STREAM_CAPTURE_UNJOINED;
    }
    *graph = capture.mapped().graph;
    auto& nodes = s.graphs[*graph];
    for (auto& node : capture.mapped().nodes) {
      node.handle = s.new_handle<CUgraphNode>();
      if (nodes.size() < s.config.nodes.size()) s.make(node, s.config.nodes[nodes.size()]);
      nodes.push_back(std::move(node));
    }
    return CUDA_SUCCESS;
  };
  return call("cuStreamEndCapture", end, Effect::release);
}

CUresult fake_cuGraphInstantiateWithFlags(CUgraphExec* executable, CUgraph graph, unsigned long long flags) {
  return call("cuGraphInstantiateWithFlags", [&](State& s) {
    const auto found = s.graphs.find(graph);
    if (found == s.graphs.end()) return s.violate("an unknown graph instantiated", CUDA_ERROR_INVALID_HANDLE);
    if (flags != CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH) s.violate("a graph that may leak", CUDA_SUCCESS);
    *executable = s.new_handle<CUgraphExec>();
    auto& nodes = s.executables[*executable];
    for (const auto& node : found->second) {
      nodes.push_back(node.sms);
      s.times_of_executables[*executable] += node.node.time;
    }
    s.objects_of_executables[*executable] = s.objects_of_graphs[graph];
    s.retain(s.objects_of_graphs[graph]);
    return CUDA_SUCCESS;
  });
}

CUresult fake_cuGraphLaunch(CUgraphExec executable, CUstream stream) {
  return call("cuGraphLaunch", [&](State& s) {
    const auto found = s.executables.find(executable);
    Stream* on = s.find(stream, std::max(s.current_device(), 0));
    if (found == s.executables.end() || !on) return s.violate("an unknown graph launched", CUDA_ERROR_INVALID_HANDLE);
    s.launches.push_back({.nodes = found->second, .stream = stream});
    s.time_launched += s.times_of_executables[executable];
    return CUDA_SUCCESS;
  });
}

CUresult fake_cuGraphDestroy(CUgraph graph) {
  const auto destroy = [&](State& s) {
    if (s.graphs.erase(graph) == 0) return s.violate("an unknown graph destroyed", CUDA_ERROR_INVALID_HANDLE);
    if (auto objects = s.objects_of_graphs.extract(graph)) s.release(objects.mapped());
    return CUDA_SUCCESS;
  };
  return call("cuGraphDestroy", destroy, Effect::release);
}

CUresult fake_cuGraphExecDestroy(CUgraphExec executable) {
  const auto destroy = [&](State& s) {
    const auto found = s.executables.find(executable);
    if (found == s.executables.end()) return s.violate("an unknown graph destroyed", CUDA_ERROR_INVALID_HANDLE);
    // The contexts of the graph's nodes must still exist.
    for (const auto& sms : found->second) {
      const auto holds = [&](const auto& entry) {
        return std::ranges::equal(sms, std::set<int>(entry.second.sms.begin(), entry.second.sms.end()));
      };
      const auto whole = [&](const Gpu& gpu) { return static_cast<int>(sms.size()) == gpu.sms; };
      if (!std::ranges::any_of(s.greens, holds) && std::ranges::none_of(s.config.gpus, whole))
        s.violate("a graph destroyed after the units of its nodes", CUDA_SUCCESS);
    }
    s.executables.erase(found);
    s.release(s.objects_of_executables.extract(executable).mapped());
    return CUDA_SUCCESS;
  };
  return call("cuGraphExecDestroy", destroy, Effect::release);
}

CUresult fake_cuGraphGetNodes(CUgraph graph, CUgraphNode* nodes, std::size_t* count) {
  return call("cuGraphGetNodes", [&](State& s) {
    const auto found = s.graphs.find(graph);
    if (found == s.graphs.end()) return s.violate("an unknown graph asked", CUDA_ERROR_INVALID_HANDLE);
    *count = found->second.size();
    if (nodes) std::ranges::transform(found->second, nodes, &GraphNode::handle);
    return CUDA_SUCCESS;
  });
}

CUresult fake_cuGraphGetEdges(CUgraph graph, CUgraphNode* from, CUgraphNode* to, CUgraphEdgeData* data,
                              std::size_t* count) {
  return call("cuGraphGetEdges", [&](State& s) {
    const auto found = s.graphs.find(graph);
    if (found == s.graphs.end()) return s.violate("an unknown graph asked", CUDA_ERROR_INVALID_HANDLE);
    *count = found->second.empty() ? 0 : found->second.size() - 1;
    for (std::size_t i = 0; from && i < *count; ++i) {
      from[i] = found->second[i].handle;
      to[i] = found->second[i + 1].handle;
      data[i] = {};
    }
    return CUDA_SUCCESS;
  });
}

CUresult fake_cuGraphNodeGetType(CUgraphNode node, CUgraphNodeType* type) {
  return call("cuGraphNodeGetType", [&](State& s) {
    const auto* const found = s.find(node);
    if (!found) return s.violate("an unknown node asked", CUDA_ERROR_INVALID_HANDLE);
    *type = found->kind == NodeKind::memset                   ? CU_GRAPH_NODE_TYPE_MEMSET
            : found->kind == NodeKind::copy                   ? CU_GRAPH_NODE_TYPE_MEMCPY
            : found->kind == NodeKind::batch_memory_operation ? CU_GRAPH_NODE_TYPE_BATCH_MEM_OP
                                                              : CU_GRAPH_NODE_TYPE_KERNEL;
    return CUDA_SUCCESS;
  });
}

CUresult fake_cuGraphClone(CUgraph* clone, CUgraph graph) {
  return call("cuGraphClone", [&](State& s) {
    const auto found = s.graphs.find(graph);
    if (found == s.graphs.end()) return s.violate("an unknown graph cloned", CUDA_ERROR_INVALID_HANDLE);
    if (s.config.graphs_with_memory) return CUDA_ERROR_NOT_SUPPORTED;
    const Graph original = found->second;
    *clone = s.new_handle<CUgraph>();
    for (auto node : original) {
      node.origin = std::exchange(node.handle, s.new_handle<CUgraphNode>());
      s.graphs[*clone].push_back(std::move(node));
    }
    s.objects_of_graphs[*clone] = s.objects_of_graphs[graph];
    s.retain(s.objects_of_graphs[*clone]);
    return CUDA_SUCCESS;
  });
}

CUresult fake_cuGraphNodeFindInClone(CUgraphNode* node, CUgraphNode original, CUgraph clone) {
  return call("cuGraphNodeFindInClone", [&](State& s) {
    const auto& nodes = s.graphs.at(clone);
    const auto found = std::ranges::find(nodes, original, &GraphNode::origin);
    if (found == nodes.end()) return s.violate("a node that is not in the clone", CUDA_ERROR_INVALID_VALUE);
    return *node = found->handle, CUDA_SUCCESS;
  });
}

CUresult fake_cuGraphDestroyNode(CUgraphNode node) {
  return call("cuGraphDestroyNode", [&](State& s) {
    for (auto& [handle, nodes] : s.graphs) {
      if (std::erase_if(nodes, [&](const GraphNode& each) { return each.handle == node; }) > 0) return CUDA_SUCCESS;
    }
    return s.violate("an unknown node destroyed", CUDA_ERROR_INVALID_HANDLE);
  });
}

CUresult fake_cuStreamGetCaptureInfo(CUstream stream, CUstreamCaptureStatus* status, cuuint64_t* id, CUgraph* graph,
                                     const CUgraphNode** dependencies, std::size_t* count) {
  return call("cuStreamGetCaptureInfo", [&](State& s) {
    const Stream* found = s.find(stream, std::max(s.current_device(), 0));
    if (!found) return s.violate("an unknown stream asked for its capture", CUDA_ERROR_INVALID_HANDLE);
    if (dependencies || count) s.violate("a capture asked for more than the fake knows", CUDA_SUCCESS);
    *status = found->capture;
    if (found->capture != CU_STREAM_CAPTURE_STATUS_ACTIVE) return CUDA_SUCCESS;
    *id = found->capture_id;
    // A capture that a test merely claims (set_capture) has no graph.
    *graph = found->capture_id == 0 ? nullptr : s.captures.at(found->capture_id).graph;
    return CUDA_SUCCESS;
  });
}

CUresult fake_cuUserObjectCreate(CUuserObject* object, void* pointer, CUhostFn destroy, unsigned int references,
                                 unsigned int flags) {
  return call("cuUserObjectCreate", [&](State& s) {
    if (!destroy || references == 0 || flags != CU_USER_OBJECT_NO_DESTRUCTOR_SYNC)
      return s.violate("a user object made wrongly", CUDA_ERROR_INVALID_VALUE);
    *object = s.new_handle<CUuserObject>();
    s.user_objects[*object] = {
        .pointer = pointer, .destroy = destroy, .references = references, .of_maker = references};
    return CUDA_SUCCESS;
  });
}

CUresult fake_cuUserObjectRelease(CUuserObject object, unsigned int count) {
  const auto release = [&](State& s) {
    const auto found = s.user_objects.find(object);
    if (found == s.user_objects.end() || found->second.of_maker < count)
      return s.violate("a user object released that is somebody else's", CUDA_ERROR_INVALID_VALUE);
    found->second.of_maker -= count;
    return s.release({{object, count}}), CUDA_SUCCESS;
  };
  return call("cuUserObjectRelease", release, Effect::release);
}

CUresult fake_cuGraphRetainUserObject(CUgraph graph, CUuserObject object, unsigned int count, unsigned int flags) {
  return call("cuGraphRetainUserObject", [&](State& s) {
    const auto found = s.user_objects.find(object);
    const auto holder = s.objects_of_graphs.find(graph);
    if (found == s.user_objects.end() || holder == s.objects_of_graphs.end())
      return s.violate("an unknown user object, or for an unknown graph", CUDA_ERROR_INVALID_VALUE);
    if (flags == CU_GRAPH_USER_OBJECT_MOVE) {
      if (found->second.of_maker < count)
        return s.violate("a user object moved that is somebody else's", CUDA_ERROR_INVALID_VALUE);
      found->second.of_maker -= count;
    } else {
      found->second.references += count;
    }
    holder->second[object] += count;
    return CUDA_SUCCESS;
  });
}

}  // namespace greenlane::fake
