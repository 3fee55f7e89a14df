// Puts the inputs of several requests into one run, and takes the outputs apart.
#pragma once

#include "runtime/tensor_workload.hpp"

#include <greenlane/detail/runtime/config.hpp>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace greenlane::runtime {

// Returns the rows of a tensor, repeated or cut to so many, in the tensor's layout. Requires a row.
[[nodiscard]] at::Tensor with_rows(const at::Tensor& tensor, std::int64_t rows);
[[nodiscard]] std::vector<at::Tensor> with_rows(const std::vector<at::Tensor>& tensors, std::int64_t rows);

// Throws: EngineError if these inputs of engine `engine` cannot be put together: dimension 0 is missing, empty, or not
// of one size.
void require_rows(const std::vector<at::Tensor>& inputs, const std::string& engine);

// Rows are the slices of dimension 0. Requests of one run differ in nothing else.
// Thread safety: as Workload; require_fit() and limit(): any thread.
class Batches {
 public:
  // `recorded`: inputs of any number of rows, on the engine's device. `engine`: its name, in messages.
  Batches(BatchConfig config, std::vector<at::Tensor> recorded, std::string engine)
      : config_(std::move(config)), recorded_(std::move(recorded)), engine_(std::move(engine)) {}

  [[nodiscard]] const std::vector<std::int64_t>& sizes() const noexcept { return config_.sizes; }
  // Returns the recorded inputs with so many rows.
  [[nodiscard]] std::vector<at::Tensor> recorded(std::int64_t rows) const { return with_rows(recorded_, rows); }

  // Throws: EngineError if a request with these inputs cannot be a part of a run. `are_on_host`: see
  // EngineWorkload::require_engine_fit().
  void require_fit(const std::vector<at::Tensor>& inputs, bool are_on_host = false) const;
  // Throws: EngineError if their rows are not those of a listed size.
  void require_listed(const std::vector<at::Tensor>& inputs) const;
  // Throws: EngineError if an output does not have so many rows.
  void require_rows_of(const std::vector<at::Tensor>& outputs, std::int64_t rows) const;
  // Sets dimension 0 to the rows that a request may have.
  void limit(std::vector<TensorSpec>& specs) const;

  // Returns the inputs of one run of these, copied on the current stream, or those of a single request if nothing fills
  // its run. The last row is repeated up to the next listed size, because the model may fail on other data.
  // Lifetime: the next call overwrites them.
  [[nodiscard]] std::vector<at::Tensor> gather(std::span<Work* const> batch);
  // Gives each request its rows of the outputs.
  void scatter(const std::vector<at::Tensor>& outputs, std::span<Work* const> batch) const;
  // Frees the memory of gather().
  void clear() { buffers_.clear(); }

 private:
  BatchConfig config_;
  std::vector<at::Tensor> recorded_;
  std::string engine_;
  std::map<std::int64_t, std::vector<at::Tensor>> buffers_;  // by size
};

}  // namespace greenlane::runtime
