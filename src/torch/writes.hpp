// Tensors that outlive a call and that the call writes to: a model's buffers, and its inputs.
//
// A graph is replayed on copies of the inputs, and while kernels are tuned it runs more often than it is called. So a
// call's writes must be known. The code that enqueues a write notes it beforehand: AotiEngine notes the writes that it
// read in its package, and bound modules the writes of the operators that they call.
#pragma once

#include <ATen/core/Tensor.h>

#include <span>
#include <vector>

namespace greenlane::detail {

// Copies of the memory behind tensors, to restore it.
// Stream order: copying and restoring run on the current stream of each tensor's device.
class KeptTensors {
 public:
  KeptTensors() = default;
  explicit KeptTensors(std::span<const at::Tensor> tensors);
  // Copies a tensor's memory, unless it was copied before or the tensor has none of its own.
  void add(const at::Tensor& tensor);
  void put_back() const;
  [[nodiscard]] bool empty() const noexcept { return kept_.empty(); }
  // Returns whether this tensor has memory in common with a kept one.
  [[nodiscard]] bool share_memory_with(const at::Tensor& tensor) const;

 private:
  struct Kept {
    at::Tensor bytes;  // over the whole memory
    at::Tensor before;
  };
  std::vector<Kept> kept_;
};

// Returns whether two tensors have memory in common; false if one has no memory of its own.
[[nodiscard]] bool share_memory(const at::Tensor& one, const at::Tensor& other);

// A scope that collects the tensors noted in this thread. Scopes nest: a tensor noted in the inner scope belongs to
// both.
class WriteScope {
 public:
  enum class Copies { none, kept };
  explicit WriteScope(Copies copies);
  ~WriteScope();
  WriteScope(const WriteScope&) = delete;
  WriteScope& operator=(const WriteScope&) = delete;

  // Returns the noted tensors, one for each memory.
  [[nodiscard]] const std::vector<at::Tensor>& tensors() const noexcept { return tensors_; }
  // Restores the noted tensors, if copies are kept.
  void put_back() const { kept_.put_back(); }

  // Returns whether there is a scope in this thread.
  [[nodiscard]] static bool is_active() noexcept { return current_ != nullptr; }
  // Notes a tensor in all scopes of this thread. Call it before the write.
  static void note(const at::Tensor& tensor);

 private:
  static thread_local WriteScope* current_;
  WriteScope* outer_ = current_;
  bool keeps_;
  std::vector<at::Tensor> tensors_;
  KeptTensors kept_;
};

// The state of a GPU's default generator, so that it gives the same numbers again.
class KeptGenerator {
 public:
  explicit KeptGenerator(at::Device device);
  void put_back() const;

 private:
  at::Device device_;
  at::Tensor state_;
};

}  // namespace greenlane::detail
