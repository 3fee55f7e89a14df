// The calls of a loaded package's model, without lanes and graphs.
#pragma once

#include <greenlane/detail/core/process.hpp>

#include <ATen/core/Tensor.h>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>

#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

namespace greenlane::detail {

// The model's error, in one line.
struct ModelFailure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Thread safety: all members may be called from any thread; run() within turn().
class ModelCalls {
 public:
  // Loads the package. `device`: -1 for the CPU.
  // Throws: the exceptions of PyTorch.
  ModelCalls(const std::string& path, const std::string& model, bool single_threaded, std::size_t runners,
             c10::DeviceIndex device);

  // Returns true if a call may go into a graph, and if only one thread at a time may call.
  [[nodiscard]] bool is_single_threaded() const noexcept { return single_threaded_; }
  // Waits for the right to call. A model that several threads may call at once gives it at once.
  [[nodiscard]] std::unique_lock<ForkSafeMutex> turn();
  // Runs the model: on a stream of the GPU, or on the calling thread. Collects the model's error output.
  // Throws: ModelFailure; greenlane's errors as they are.
  [[nodiscard]] std::vector<at::Tensor> run(const std::vector<at::Tensor>& inputs, void* stream = nullptr);
  [[nodiscard]] torch::inductor::AOTIModelPackageLoader& loader() noexcept { return loader_; }

 private:
  bool single_threaded_;
  torch::inductor::AOTIModelPackageLoader loader_;
  ForkSafeMutex turn_;
};

}  // namespace greenlane::detail
