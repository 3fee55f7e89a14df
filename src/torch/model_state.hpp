// The tensors that the calls of a package's model write to, besides their outputs.
#pragma once

#include "torch/package_effects.hpp"

#include <ATen/core/Tensor.h>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>

#include <cstddef>
#include <vector>

namespace greenlane::detail {

// Thread safety: all members may be called from any thread.
class ModelState {
 public:
  ModelState(PackageEffects effects, torch::inductor::AOTIModelPackageLoader& loader);

  // Returns the constants that calls write to; all constants if that is not known.
  [[nodiscard]] const std::vector<at::Tensor>& constants() const noexcept { return constants_; }
  // Returns true if calls may write to this input.
  [[nodiscard]] bool writes_input(std::size_t index) const;
  // Notes the writes of a call with these inputs, if this thread collects writes. Call it before the call.
  void note_writes(const std::vector<at::Tensor>& inputs) const;

 private:
  PackageEffects effects_;
  std::vector<at::Tensor> constants_;
};

}  // namespace greenlane::detail
