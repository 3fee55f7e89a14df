// The packages that tests/models/export_models.py made, with their inputs and outputs.
#pragma once

#include <greenlane/torch/aoti.hpp>
#include <greenlane/torch/tensor_io.hpp>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace greenlane::models {

// Returns the path of a file such as "affine.pt2".
inline std::string path_of(const std::string& file) {
  return (std::filesystem::path(GREENLANE_TEST_MODELS) / file).string();
}

inline std::shared_ptr<AotiEngine> load(const std::string& model, AotiOptions options = {}) {
  return load_aoti(path_of(model + ".pt2"), std::move(options));
}
inline std::vector<at::Tensor> inputs_of(const std::string& model) {
  return load_tensors(path_of(model + ".inputs.pt"));
}
inline std::vector<at::Tensor> outputs_of(const std::string& model) {
  return load_tensors(path_of(model + ".outputs.pt"));
}

// Runs the engine once. Returns how the result differs from plain PyTorch's; empty if it does not.
inline std::string run_differs(AotiEngine& engine, const std::string& model) {
  return difference(engine.run(inputs_of(model)), outputs_of(model));
}

}  // namespace greenlane::models
