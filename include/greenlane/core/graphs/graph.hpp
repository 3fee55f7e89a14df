// CUDA graphs that stay in the units they were captured on.
#pragma once

#include <greenlane/core/lane.hpp>

#include <functional>
#include <memory>
#include <vector>

namespace greenlane {

namespace detail {
class GraphBackend;
}

// Work that was captured from a lane, ready to be launched any number of times, as a shared handle. Each of its nodes
// runs in the units of the stream that it was captured on, whatever stream the graph is launched on. It keeps the lanes
// alive that it was captured on.
// Thread safety: all members; launches on different streams are ordered by nobody.
class Graph {
 public:
  // Captures what `work`, in this thread, enqueues on the lane's stream and on streams that join it. Nothing runs.
  // Bound engines that are called within fork to lanes beside their own and join again, so that nobody else's work on
  // those is captured along. Other threads are not disturbed. Throws what `work` throws, StreamError where the work
  // cannot be captured, and DriverError; no capture is left open then.
  [[nodiscard]] static Graph capture(const Lane& lane, const std::function<void()>& work);

  // Whether the engines that were called in it are bound as they were then: else it runs where they were.
  [[nodiscard]] bool is_current() const noexcept;
  // Enqueues it. Throws DriverError.
  void launch(StreamView stream) const;

 private:
  friend class SlicedGraph;
  struct State;
  explicit Graph(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

}  // namespace greenlane
