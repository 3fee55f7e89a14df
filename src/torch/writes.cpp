#include "torch/writes.hpp"

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <ATen/core/Generator.h>
#include <ATen/core/grad_mode.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <functional>
#include <mutex>

namespace greenlane::detail {
namespace {

// Returns the tensor's memory; empty if it has none of its own that can be looked at.
std::span<const char> memory_of(const at::Tensor& tensor) {
  if (!tensor.defined() || !tensor.has_storage() || !(tensor.is_cuda() || tensor.is_cpu())) return {};
  const auto& storage = tensor.storage();
  return {static_cast<const char*>(storage.data()), storage.nbytes()};
}

// Returns the tensor's whole memory as bytes. Writing through the tensor itself would count as a change that gradients
// must heed.
at::Tensor bytes_of(const at::Tensor& tensor) {
  const auto& storage = tensor.storage();
  return at::empty({0}, tensor.options().dtype(at::kByte).requires_grad(false))
      .set_(storage, 0, {static_cast<std::int64_t>(storage.nbytes())}, {1});
}

struct Plain {
  c10::InferenceMode no_inference_mode{false};
  at::NoGradGuard no_grad;
};

}  // namespace

KeptTensors::KeptTensors(std::span<const at::Tensor> tensors) {
  for (const auto& tensor : tensors) add(tensor);
}

void KeptTensors::add(const at::Tensor& tensor) {
  const auto memory = memory_of(tensor);
  const auto is_same = [&](const Kept& kept) { return kept.bytes.storage().data() == memory.data(); };
  if (memory.empty() || std::ranges::any_of(kept_, is_same)) return;
  const Plain plain;
  auto bytes = bytes_of(tensor);
  auto before = bytes.clone();
  kept_.push_back({.bytes = std::move(bytes), .before = std::move(before)});
}

void KeptTensors::put_back() const {
  const Plain plain;
  for (const auto& [bytes, before] : kept_) bytes.copy_(before, /*non_blocking=*/true);
}

bool KeptTensors::share_memory_with(const at::Tensor& tensor) const {
  return std::ranges::any_of(kept_, [&](const Kept& each) { return share_memory(each.bytes, tensor); });
}

bool share_memory(const at::Tensor& one, const at::Tensor& other) {
  const auto first = memory_of(one);
  const auto second = memory_of(other);
  if (first.empty() || second.empty()) return false;
  return std::less<>()(first.data(), second.data() + second.size()) &&
         std::less<>()(second.data(), first.data() + first.size());
}

thread_local WriteScope* WriteScope::current_ = nullptr;

WriteScope::WriteScope(Copies copies) : keeps_(copies == Copies::kept) { current_ = this; }

WriteScope::~WriteScope() { current_ = outer_; }

void WriteScope::note(const at::Tensor& tensor) {
  if (memory_of(tensor).empty()) return;
  for (auto* scope = current_; scope; scope = scope->outer_) {
    if (std::ranges::any_of(scope->tensors_, [&](const auto& known) { return share_memory(known, tensor); })) continue;
    scope->tensors_.push_back(tensor);
    if (scope->keeps_) scope->kept_.add(tensor);
  }
}

KeptGenerator::KeptGenerator(at::Device device) : device_(device) {
  auto generator = at::globalContext().defaultGenerator(device_);
  const std::scoped_lock lock(generator.mutex());
  state_ = generator.get_state();
}

void KeptGenerator::put_back() const {
  auto generator = at::globalContext().defaultGenerator(device_);
  const std::scoped_lock lock(generator.mutex());
  generator.set_state(state_);
}

}  // namespace greenlane::detail
