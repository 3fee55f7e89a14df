// What the runtime drives: an engine with its inputs, behind an interface without PyTorch.
#pragma once

#include <greenlane/core/lane.hpp>
#include <greenlane/core/span_log.hpp>
#include <greenlane/runtime/config.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace greenlane::runtime {

// The CUDA graphs that an engine's requests were replayed from.
struct GraphUse {
  std::uint64_t replays = 0;
  std::optional<int> kernel_units;  // for which kernels were picked; absent: for the whole device
  std::uint64_t bytes = 0;          // of the device
  std::string obstacle;             // why there is none; empty where there is
  int slices = 1;                   // that each is launched in
  Nanoseconds longest_slice{0};     // as measured alone
  int look_ahead = 0;               // slices that wait on the device behind the one that runs
  std::string gate_obstacle;        // why it is launched whole, though it should let urgent engines pass
};

// What an engine is to the gate: urgent, with a deadline, or one that lets urgent ones pass, or neither.
struct GateRole {
  std::optional<Nanoseconds> urgent;
  bool gated = false;
  std::optional<Nanoseconds> slice;  // of a gated one: no longer than this
  std::shared_ptr<SpanLog> log;      // of a gated one: when its slices ran; null: nowhere
};

// Thread safety: run() and check() by one thread at a time.
class Workload {
 public:
  virtual ~Workload() = default;
  virtual void bind(const Lane& lane) = 0;
  // Leaves the lane, so that its units return to the device, and drops the outputs.
  virtual void unbind() = 0;
  virtual void set_role(const GateRole& /*role*/) {}
  // Whether it may be run for another reason than a request: to warm it up, and to check it.
  [[nodiscard]] virtual bool may_be_warmed_up() const { return true; }
  // Whether its outputs may depend on earlier runs.
  [[nodiscard]] virtual bool has_state() const { return false; }
  // Puts back what runs changed since it was loaded: its buffers. The first time after bind(), the random numbers of
  // the device as well. Between two runs, on the thread that runs it.
  virtual void reset_state() {}
  // A request is to come: an urgent engine closes the gate for it from this time on.
  virtual void expect(std::chrono::steady_clock::time_point /*from*/) {}
  // Runs once on the lane and returns when the result is there.
  virtual void run() = 0;
  // Absent where none were asked for, and on a CPU. Of the lane that it is bound to.
  [[nodiscard]] virtual std::optional<GraphUse> graphs() const { return std::nullopt; }
  // Whether check() has anything to compare with.
  [[nodiscard]] virtual bool has_expected_outputs() const = 0;
  // How the outputs of the last run() differ from the expected ones; empty where they do not.
  [[nodiscard]] virtual std::string check() = 0;
};

}  // namespace greenlane::runtime
