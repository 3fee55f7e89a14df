// CUDA graphs that stay on the units they were captured on.
#pragma once

#include <greenlane/core/stream.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace greenlane {

class KernelCode;
class Lane;

namespace detail {
struct Access;
class GraphBackend;
}  // namespace detail

/// Work captured from a lane, ready to be launched any number of times, as a shared handle. Each of its nodes runs on
/// the units of the stream it was captured on, whatever stream the graph is launched on.
/// Lifetime: keeps the lanes alive that it was captured on.
/// Thread safety: all members may be called from any thread. Launches on different streams are not ordered.
class Graph {
 public:
  /// Captures what `work` enqueues, from this thread, on the lane's stream and on streams that join it. Nothing runs.
  /// Bound engines called within `work` fork to separate lanes on their own units and join again, so that no other work
  /// is captured. Other threads are not disturbed.
  /// Throws: what `work` throws; StreamError if the work cannot be captured; DriverError. No capture is left open.
  [[nodiscard]] static Graph capture(const Lane& lane, const std::function<void()>& work);

  /// Returns true if the captured engines are still bound as they were at the capture. Otherwise the graph runs them on
  /// their former units.
  [[nodiscard]] bool is_current() const noexcept;
  /// Returns true if the captured engines are still set to the shapes of the capture, where an engine has one setting
  /// at a time, as those of TensorRT. Otherwise a launch gives wrong results.
  [[nodiscard]] bool is_valid() const noexcept;
  /// Returns the same graph on the units of lane `to`, ready to be launched. Its results are the same. Its kernels are
  /// those that were picked for the former units. A kernel that was loaded as part of a module, as by cuModuleLoad, has
  /// to be in `code`. The result does not keep the former lane's units.
  /// Throws: StreamError if a node cannot be moved: a cooperative kernel, a kernel of a module that `code` does not
  /// have, or work of engines on other lanes. The graph is then to be captured again. DriverError.
  [[nodiscard]] Graph moved(const Lane& to, const std::shared_ptr<KernelCode>& code = nullptr) const;
  /// Enqueues the graph.
  /// Throws: DriverError.
  void launch(StreamView stream) const;

 private:
  friend struct detail::Access;
  struct State;
  using Noted = std::vector<std::pair<std::shared_ptr<std::atomic<std::uint64_t>>, std::uint64_t>>;
  static bool are_unchanged(const Noted& numbers) noexcept;
  explicit Graph(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

}  // namespace greenlane
