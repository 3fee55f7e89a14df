// How an engine's calls run on a GPU: from graphs or as they are, urgent or letting urgent engines pass.
#pragma once

#include "torch/urgency.hpp"

#include <greenlane/core/binding.hpp>
#include <greenlane/core/gate.hpp>
#include <greenlane/detail/core/process.hpp>
#include <greenlane/detail/torch/bound_call.hpp>
#include <greenlane/detail/torch/resident_graph.hpp>
#include <greenlane/torch/graphs.hpp>

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace greenlane::detail {

// The choices for one engine's calls, which may change between two calls.
// Thread safety: all members may be called from any thread.
// Lifetime: the binding outlives it.
class EngineCalls {
 public:
  // `most_graphs` limits the number of graphs to keep.
  explicit EngineCalls(StreamBinding& binding, std::size_t most_graphs = SIZE_MAX)
      : binding_(binding), most_graphs_(most_graphs) {}

  // Replays calls from graphs from now on; absent: no longer, and without gates. Returns the graphs, which the caller
  // passes on to StreamBinding::set_captured_work(); null: none.
  // Replays draw random numbers from the generator; undefined: from the device's default generator.
  std::shared_ptr<ResidentGraphs> use_graphs(const std::optional<GraphOptions>& options, at::Generator generator = {});
  // Makes the engine urgent; absent: not urgent.
  void set_urgent(std::optional<std::chrono::nanoseconds> deadline);
  // Announces an urgent call; see UrgentEngine::expect.
  void expect(std::chrono::steady_clock::time_point from) const { urgency_.expect(binding_, from); }
  // Launches graphs in slices that let urgent engines pass; absent: whole.
  // Throws: EngineError if there are no graphs.
  void set_gates(const std::optional<SliceOptions>& slices);
  // Returns the graphs; null if there are none.
  [[nodiscard]] std::shared_ptr<ResidentGraphs> graphs() const;
  // The last choices; absent: off.
  struct Choices {
    std::optional<GraphOptions> graphs;
    std::optional<std::chrono::nanoseconds> urgent;
    std::optional<SliceOptions> gates;
  };
  [[nodiscard]] Choices choices() const;
  // Returns true if calls run as they are, and hold nobody.
  [[nodiscard]] bool is_plain() const { return !graphs() && !urgency_.get(); }

  // Holds engines with gates, if the engine is urgent, until the work that the caller enqueues is done on the device.
  // The caller calls enqueued() of the result. Absent if the engine is not urgent, and in a capture.
  class Pass {
   public:
    void enqueued(const BoundCall& call) { call_.enqueued(StreamView(call.stream().stream())); }

   private:
    friend class EngineCalls;
    Pass(std::shared_ptr<UrgentEngine> engine, const BoundCall& call)
        : engine_(std::move(engine)),
          call_(engine_->enter(call.lane() ? call.lane()->unit_set() : UnitSetId{},
                               StreamView(call.stream().stream()))) {}
    // A count of this thread's passes. Engines inside an urgent one do not wait for its gate.
    struct Count {
      Count() { ++*here; }
      Count(Count&& other) noexcept : here(std::exchange(other.here, nullptr)) {}
      Count& operator=(Count&&) = delete;
      ~Count() {
        if (here && here == &passes_here()) --*here;
      }
      int* here = &passes_here();
    };
    static int& passes_here() noexcept;
    Count count_;
    std::shared_ptr<UrgentEngine> engine_;  // before the call, which refers to it
    UrgentEngine::Call call_;
  };
  [[nodiscard]] std::optional<Pass> pass(const BoundCall& call) const;

  // Runs one call, within `call`. Sets `kind.urgent`.
  // Throws: what the model throws.
  [[nodiscard]] std::vector<at::Tensor> run(const BoundCall& call, const std::vector<at::Tensor>& inputs,
                                            ResidentGraphs::Kind kind, const ResidentGraphs::Model& model) const;

 private:
  StreamBinding& binding_;
  std::size_t most_graphs_;
  Urgency urgency_;
  mutable ForkSafeMutex mutex_{};  // guards the following members
  std::shared_ptr<ResidentGraphs> graphs_;
  Choices choices_;
};

// Throws: EngineError, because the engine has no graphs that gates could cut.
[[noreturn]] void refuse_gates(const std::string& engine);

}  // namespace greenlane::detail
