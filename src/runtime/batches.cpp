#include "runtime/batches.hpp"

#include "torch/writes.hpp"

#include <greenlane/core/error.hpp>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_strided.h>

#include <algorithm>

namespace greenlane::runtime {
namespace {

const TensorWork& work_of(const Work* work) { return static_cast<const TensorWork&>(*work); }

// Returns a text such as "float32 [4, 8]".
std::string described(const at::Tensor& tensor) { return to_string(specs_of({tensor}).front()); }

// Returns a tensor like this one with so many rows. Its rows lie behind each other as before.
at::Tensor empty_with_rows(const at::Tensor& like, std::int64_t rows) {
  auto sizes = like.sizes().vec();
  auto strides = like.strides().vec();
  if (sizes[0] == 1) {
    strides[0] = 1;
    for (std::size_t i = 1; i < sizes.size(); ++i) strides[0] += (sizes[i] - 1) * strides[i];
  }
  sizes[0] = rows;
  return at::empty_strided(sizes, strides, like.options());
}

[[noreturn]] void refuse(std::size_t input, const std::string& engine, const std::string& why,
                         const std::string& remedy) {
  throw EngineError({.what = "input " + std::to_string(input) + " does not fit the batches of engine '" + engine + "'",
                     .why = why,
                     .remedy = remedy});
}

}  // namespace

at::Tensor with_rows(const at::Tensor& tensor, std::int64_t rows) {
  const at::NoGradGuard no_gradients;
  auto result = empty_with_rows(tensor, rows);
  for (std::int64_t at = 0; at < rows; at += tensor.size(0)) {
    const auto count = std::min(tensor.size(0), rows - at);
    result.narrow(0, at, count).copy_(tensor.narrow(0, 0, count));
  }
  return result;
}

std::vector<at::Tensor> with_rows(const std::vector<at::Tensor>& tensors, std::int64_t rows) {
  std::vector<at::Tensor> all;
  all.reserve(tensors.size());
  for (const auto& tensor : tensors) all.push_back(with_rows(tensor, rows));
  return all;
}

void require_rows(const std::vector<at::Tensor>& inputs, const std::string& engine) {
  const std::string remedy = "give all inputs the same number of rows, at least one";
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].dim() == 0) refuse(i, engine, "it has no dimension, so it has no rows", remedy);
    if (inputs[i].size(0) == 0) refuse(i, engine, "it has no rows", remedy);
    if (inputs[i].size(0) != inputs[0].size(0)) {
      refuse(i, engine,
             "it has " + std::to_string(inputs[i].size(0)) + " rows (dimension 0), and input 0 has " +
                 std::to_string(inputs[0].size(0)),
             remedy);
    }
  }
}

void Batches::require_fit(const std::vector<at::Tensor>& inputs, bool are_on_host) const {
  if (inputs.size() != recorded_.size()) {
    throw EngineError({.what = "engine '" + engine_ + "' takes " + std::to_string(recorded_.size()) + " tensors",
                       .why = std::to_string(inputs.size()) + " were given",
                       .remedy = "pass tensors as in the file of its recorded inputs"});
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const auto& input = inputs[i];
    const auto& like = recorded_[i];
    if (!are_on_host && input.device() != like.device())
      refuse(i, engine_, "it is on " + input.device().str() + ", and the engine is on " + like.device().str(),
             "move the tensor");
    if (input.layout() != at::kStrided) refuse(i, engine_, "it is not a dense tensor", "pass tensor.to_dense()");
    if (input.scalar_type() != like.scalar_type() || input.dim() != like.dim() ||
        input.sizes().slice(1) != like.sizes().slice(1)) {
      refuse(i, engine_, "it is " + described(input) + ", and the recorded input is " + described(like),
             "pass a tensor that differs from the recorded one in its rows (dimension 0) only");
    }
  }
  require_rows(inputs, engine_);
  const auto rows = inputs[0].size(0);
  if (rows > config_.most())
    refuse(0, engine_, "it has " + std::to_string(rows) + " rows, and a run has " + std::to_string(config_.most()),
           "split the request, or raise `max_batch`");
}

void Batches::require_listed(const std::vector<at::Tensor>& inputs) const {
  require_rows(inputs, engine_);
  const auto rows = inputs[0].size(0);
  if (std::ranges::find(config_.sizes, rows) != config_.sizes.end()) return;
  refuse(0, engine_, "a call is not padded, and " + std::to_string(rows) + " rows are no size in `batch_sizes`",
         "use submit(), which pads, or list the size");
}

void Batches::require_rows_of(const std::vector<at::Tensor>& outputs, std::int64_t rows) const {
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i].defined() && outputs[i].dim() > 0 && outputs[i].size(0) == rows) continue;
    throw EngineError({.what = "engine '" + engine_ + "' makes no batches",
                       .why = "output " + std::to_string(i) + " is " +
                              (outputs[i].defined() ? described(outputs[i]) : "not defined") + " for inputs of " +
                              std::to_string(rows) + " rows",
                       .remedy = "let dimension 0 of all inputs and outputs be the batch, or leave `max_batch` out"});
  }
}

void Batches::limit(std::vector<TensorSpec>& specs) const {
  for (auto& spec : specs) {
    if (spec.dimensions.empty()) continue;
    auto& rows = spec.dimensions.front();
    rows = {};
    rows.smallest = 1;
    rows.largest = config_.most();
  }
}

std::vector<at::Tensor> Batches::gather(std::span<Work* const> batch) {
  std::int64_t rows = 0;
  for (const auto* work : batch) rows += work->rows();
  const auto size = config_.size_for(rows);
  if (batch.size() == 1 && rows == size) return work_of(batch.front()).inputs();
  const at::NoGradGuard no_gradients;
  auto& buffers = buffers_[size];
  if (buffers.empty()) {
    for (const auto& like : recorded_) buffers.push_back(empty_with_rows(like, size));
  }
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    std::int64_t at = 0;
    for (const auto* work : batch) {
      buffers[i].narrow(0, at, work->rows()).copy_(work_of(work).inputs()[i], /*non_blocking=*/true);
      at += work->rows();
    }
    if (at == size) continue;
    const auto filler = work_of(batch.back()).inputs()[i].narrow(0, batch.back()->rows() - 1, 1);
    buffers[i]
        .narrow(0, at, size - at)
        .copy_(filler.expand_as(buffers[i].narrow(0, at, size - at)),
               /*non_blocking=*/true);
  }
  return buffers;
}

void Batches::scatter(const std::vector<at::Tensor>& outputs, std::span<Work* const> batch) const {
  const auto is_buffer = [&](const at::Tensor& output) {
    return std::ranges::any_of(buffers_, [&](const auto& each) {
      return std::ranges::any_of(each.second, [&](const auto& buffer) { return detail::share_memory(buffer, output); });
    });
  };
  for (const auto& output : outputs) {
    // An output may be an input, which the next run overwrites.
    const auto whole = is_buffer(output) ? output.clone() : output;
    std::int64_t at = 0;
    for (auto* work : batch) {
      static_cast<TensorWork&>(*work).outputs.push_back(whole.narrow(0, at, work->rows()));
      at += work->rows();
    }
  }
}

}  // namespace greenlane::runtime
