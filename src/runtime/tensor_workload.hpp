// Workloads whose inputs and outputs are tensors.
#pragma once

#include <greenlane/detail/runtime/workload.hpp>

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace greenlane::runtime {

// The tensors of one request.
class TensorWork final : public Work {
 public:
  // Copies the inputs on the caller's stream of each tensor's device.
  explicit TensorWork(const std::vector<at::Tensor>& given);
  // Makes the device's current stream wait for the copies.
  void wait_for_inputs(const at::Device& device) const;

  std::vector<at::Tensor> inputs;
  std::vector<at::Tensor> outputs;

 private:
  std::optional<c10::Event> copied_;  // absent on a CPU
};

class TensorWorkload : public Workload {
 public:
  // Runs once now, on the calling thread, and joins the caller's stream.
  // Thread safety: any thread.
  // Throws: EngineError.
  [[nodiscard]] virtual std::vector<at::Tensor> call(const std::vector<at::Tensor>& inputs) = 0;
  // Returns a run of these inputs, which it copies on the caller's stream.
  // Thread safety: any thread.
  // Throws: EngineError if they do not fit.
  [[nodiscard]] virtual std::unique_ptr<TensorWork> prepare(const std::vector<at::Tensor>& inputs) = 0;
  // Takes over changes of the model. Called on the engine's thread.
  // Throws: EngineError if that fails, or if there is no way; the engine is as before then.
  virtual void recapture() = 0;
  // The nesting of the arguments and results: two torch.utils._pytree treespecs, as JSON. Empty: unknown.
  [[nodiscard]] virtual std::vector<std::string> call_spec() const { return {}; }
};

// Throws: EngineError if a floating-point output holds NaN or infinity. Waits for the current stream.
void require_finite(const std::vector<at::Tensor>& outputs);

}  // namespace greenlane::runtime
