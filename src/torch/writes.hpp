// Tensors that outlive a call and that the call writes to: a model's buffers, and its inputs.
//
// A graph is replayed on copies of the inputs, and is run more often than it is called while kernels are tuned. So what
// a call writes to must be known. Whoever enqueues such a write says so before it does: AotiEngine, by what it read in
// its package, and bound modules, by the operators that they call.
#pragma once

#include <ATen/core/Tensor.h>

#include <span>
#include <vector>

namespace greenlane::detail {

// The memory behind tensors as it was, to be put back. Both ways on the current stream of each tensor's device.
class KeptTensors {
 public:
  KeptTensors() = default;
  explicit KeptTensors(std::span<const at::Tensor> tensors);
  // Once for each memory; nothing for what has none of its own.
  void add(const at::Tensor& tensor);
  void put_back() const;
  [[nodiscard]] bool empty() const noexcept { return kept_.empty(); }

 private:
  struct Kept {
    at::Tensor bytes;  // over the whole memory
    at::Tensor before;
  };
  std::vector<Kept> kept_;
};

// Whether two tensors have memory in common; never for those that have none.
[[nodiscard]] bool share_memory(const at::Tensor& one, const at::Tensor& other);

// While this lives, what is noted in this thread is collected. Nests: what is noted inside belongs to both.
class WriteScope {
 public:
  enum class Copies { none, kept };
  explicit WriteScope(Copies copies);
  ~WriteScope();
  WriteScope(const WriteScope&) = delete;
  WriteScope& operator=(const WriteScope&) = delete;

  // Once for each memory.
  [[nodiscard]] const std::vector<at::Tensor>& tensors() const noexcept { return tensors_; }
  // Where copies are kept: puts back what was noted.
  void put_back() const { kept_.put_back(); }

  // Whether anybody collects in this thread.
  [[nodiscard]] static bool is_active() noexcept { return current_ != nullptr; }
  // Before the write.
  static void note(const at::Tensor& tensor);

 private:
  static thread_local WriteScope* current_;
  WriteScope* outer_ = current_;
  bool keeps_;
  std::vector<at::Tensor> tensors_;
  KeptTensors kept_;
};

// Numbers that a GPU's default generator gives from now on, to be given again.
class KeptGenerator {
 public:
  explicit KeptGenerator(at::Device device);
  void put_back() const;

 private:
  at::Device device_;
  at::Tensor state_;
};

}  // namespace greenlane::detail
