// Workloads whose inputs and outputs are tensors.
#pragma once

#include "runtime/input_slots.hpp"

#include <greenlane/detail/runtime/workload.hpp>
#include <greenlane/torch/signature.hpp>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace greenlane::runtime {

// The tensors of one request.
class TensorWork final : public Work {
 public:
  // `slot`: its inputs. `rows`: see Work::rows().
  TensorWork(std::shared_ptr<InputSlots> slots, std::unique_ptr<InputSlot> slot, std::int64_t rows = 1)
      : slots_(std::move(slots)), slot_(std::move(slot)), rows_(rows) {}
  ~TensorWork() override { give_back(); }
  [[nodiscard]] const std::vector<at::Tensor>& inputs() const noexcept { return slot_->inputs; }
  [[nodiscard]] std::int64_t rows() const override { return rows_; }
  // Whether its inputs came from host memory, although it runs on a GPU. Its outputs go there, too.
  [[nodiscard]] bool is_on_host() const noexcept { return !slot_->on_host.empty(); }
  // Brings the inputs to the device on its current stream, or makes that stream wait for their copies there.
  void bring_inputs(const at::Device& device) const;
  // Gives up the inputs. No run must use them any more.
  void give_back();

  std::vector<at::Tensor> outputs;

 private:
  std::shared_ptr<InputSlots> slots_;
  std::unique_ptr<InputSlot> slot_;
  std::int64_t rows_;
};

class TensorWorkload : public Workload {
 public:
  // Runs once now, on the calling thread, and joins the caller's stream.
  // Thread safety: any thread.
  // Throws: EngineError.
  [[nodiscard]] virtual std::vector<at::Tensor> call(const std::vector<at::Tensor>& inputs) = 0;
  // Returns a run of these inputs, which it copies in the order of the caller's stream, or, from host memory, now.
  // Thread safety: any thread.
  // Throws: EngineError if they do not fit.
  [[nodiscard]] virtual std::unique_ptr<TensorWork> prepare(const std::vector<at::Tensor>& inputs) = 0;
  // Throws: EngineError if prepare() and call() would refuse these inputs.
  // Thread safety: any thread.
  virtual void require_fit(const std::vector<at::Tensor>& /*inputs*/) const {}
  // Returns false if require_fit() throws.
  [[nodiscard]] bool fits(const std::vector<at::Tensor>& inputs) const;
  // Returns the inputs that run() without inputs runs on.
  [[nodiscard]] virtual std::vector<at::Tensor> recorded_inputs() const { return {}; }
  // Returns the outputs of the last run on the recorded inputs; empty: there was none. The next run may overwrite them.
  [[nodiscard]] virtual std::vector<at::Tensor> recorded_outputs() const { return {}; }
  // Returns the dtypes of its inputs, and the sizes that they may have.
  [[nodiscard]] virtual std::vector<TensorSpec> input_specs() const;
  // Returns the dtypes of its outputs, and their sizes on the recorded inputs.
  [[nodiscard]] virtual std::vector<TensorSpec> output_specs() const;
  // Takes over changes of the model. Called on the engine's thread.
  // Throws: EngineError if that fails, or if there is no way; the engine is as before then.
  virtual void recapture() = 0;
  // The nesting of the arguments and results: two torch.utils._pytree treespecs, as JSON. Empty: unknown.
  [[nodiscard]] virtual std::vector<std::string> call_spec() const { return {}; }
};

// Returns the dtypes and sizes of these tensors.
[[nodiscard]] std::vector<TensorSpec> specs_of(const std::vector<at::Tensor>& tensors);

// Returns the inputs, copied into the order of dimensions of the recorded ones where they have another. So one size has
// one layout, whatever views a caller has.
// Stream order: copies run on the caller's stream.
[[nodiscard]] std::vector<at::Tensor> laid_out_like(const std::vector<at::Tensor>& recorded,
                                                    const std::vector<at::Tensor>& inputs);

// Copies tensors on a GPU to page-locked memory, on the current stream of their device, which the caller waits for.
// Others stay where they are.
[[nodiscard]] std::vector<at::Tensor> copies_on_host(const std::vector<at::Tensor>& tensors);

// Throws: EngineError if a floating-point output holds NaN or infinity. Waits for the current stream.
void require_finite(const std::vector<at::Tensor>& outputs, const std::string& engine);

}  // namespace greenlane::runtime
