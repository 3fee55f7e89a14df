// The runtime's view of an engine with its inputs, an interface without PyTorch.
#pragma once

#include <greenlane/core/error.hpp>
#include <greenlane/core/lane.hpp>
#include <greenlane/detail/core/span_log.hpp>
#include <greenlane/detail/runtime/config.hpp>
#include <greenlane/runtime/stats.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace greenlane::runtime {

// The CUDA graphs that an engine's requests were replayed from.
struct GraphUse : GraphFigures {
  Nanoseconds time{0};        // of the device for one launch, uncut; 0: not measured
  int look_ahead = 0;         // slices that wait on the device behind the running one
  std::string gate_obstacle;  // why it is launched whole, though it should let urgent engines pass
};

// An engine's role at the gate: urgent (the value is its deadline), gated, or neither.
struct GateRole {
  std::optional<Nanoseconds> urgent;
  bool gated = false;
  std::optional<Nanoseconds> slice;  // for a gated engine: the longest slice
  std::shared_ptr<SpanLog> log;      // for a gated engine: the log of its slices; null: none
};

// The inputs and outputs of one run. Only an engine's workload knows their types.
class Work {
 public:
  Work() = default;
  virtual ~Work() = default;
  Work(const Work&) = delete;
  Work& operator=(const Work&) = delete;
  // The size of dimension 0 of its inputs, where runs are batches.
  [[nodiscard]] virtual std::int64_t rows() const { return 1; }

  // Why it has no right outputs, though others of its batch may have; null: none.
  std::exception_ptr error;
};

// The tensors of a value that flows between engines. See runtime/edges/value.hpp.
class Payload;

// One input of a run: a tensor of a payload.
struct Feed {
  const Payload* payload = nullptr;
  std::size_t output = 0;  // its index in the payload
};

// When the device worked on a run.
struct RunSpan {
  std::optional<std::chrono::steady_clock::time_point> began{};  // absent: when the run was started
  std::chrono::steady_clock::time_point ended;
};

// One engine with its recorded inputs.
// Thread safety: the engine's thread calls run(), check() and reset_state().
class Workload {
 public:
  virtual ~Workload() = default;
  virtual void bind(const Lane& lane) = 0;
  // Leaves the lane, so that its units return to the device, and drops the outputs.
  virtual void unbind() = 0;
  virtual void set_role(const GateRole& /*role*/) {}
  // Returns true if it may be run without a request, for a warm-up or a check.
  [[nodiscard]] virtual bool may_be_warmed_up() const { return true; }
  // Returns true if its outputs may depend on earlier runs.
  [[nodiscard]] virtual bool has_state() const { return false; }
  // Restores its buffers, which runs have changed since it was loaded. The first time after bind() it also restores the
  // device's random numbers. Call it between two runs, on the thread that runs the engine.
  virtual void reset_state() {}
  // Announces a request: an urgent engine closes the gate for it from this time on.
  virtual void expect(std::chrono::steady_clock::time_point /*from*/) {}
  // Runs once on the recorded inputs, on the lane, and returns when the result is there.
  virtual void run() = 0;
  // Runs once on the inputs of `work`, which came from this workload, and returns when its outputs are there.
  virtual void run(Work& work) = 0;
  // Runs these together, and returns when all outputs are there. Sets the errors of those that failed alone.
  // Returns: the rows of the run, with those that only fill it.
  // Throws: the error of all of them. EngineError if there are several and this workload makes no batches.
  virtual std::int64_t run(std::span<Work* const> batch) {
    if (batch.size() != 1)
      throw EngineError({.what = "requests were not run together", .why = "the engine makes no batches", .remedy = ""});
    run(*batch.front());
    return batch.front()->rows();
  }
  // Starts a run on these inputs, and returns its outputs, which may not be there yet: finish() waits for them. The
  // inputs stay as they are, and must be kept until then.
  // Throws: EngineError if the run fails, or if this kind of workload takes no data from edges.
  [[nodiscard]] virtual std::shared_ptr<const Payload> begin(std::span<const Feed> /*inputs*/) {
    throw EngineError({.what = "the engine did not run on the data of its edges",
                       .why = "its kind takes recorded inputs and requests only",
                       .remedy = "remove `from` of the engine"});
  }
  // Waits until the run that begin() started is done.
  virtual RunSpan finish() { return {.ended = std::chrono::steady_clock::now()}; }
  // Returns true if a call returns when its work is done, as it does on a CPU.
  [[nodiscard]] virtual bool is_done_when_called() const { return true; }
  // Returns true if nothing is under way on its lane, calls included. Does not wait.
  [[nodiscard]] virtual bool is_idle() const { return true; }
  // Returns true if a run needs inputs.
  [[nodiscard]] virtual bool takes_inputs() const { return true; }
  // Returns true if it runs under Python's lock.
  [[nodiscard]] virtual bool is_in_python() const { return false; }
  // Graphs of the bound lane. Absent if none were requested, and on a CPU.
  [[nodiscard]] virtual std::optional<GraphUse> graphs() const { return std::nullopt; }
  // As graphs(), but does not wait for a run that is under way: the figures may be older then.
  // Thread safety: any thread.
  [[nodiscard]] virtual std::optional<GraphUse> graphs_now() { return graphs(); }
  // Returns true if check() has expected outputs to compare with.
  [[nodiscard]] virtual bool has_expected_outputs() const = 0;
  // Returns the difference between the last run()'s outputs and the expected ones; empty if there is none.
  [[nodiscard]] virtual std::string check() = 0;
};

}  // namespace greenlane::runtime
