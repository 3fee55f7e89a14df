#include "runtime/expected_outputs.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/torch/tensor_io.hpp>

namespace greenlane::runtime {

std::vector<at::Tensor> expected_outputs(const EngineConfig& engine) {
  if (engine.outputs.empty()) return {};
  auto expected = load_tensors(engine.outputs);
  if (expected.empty())
    throw ConfigError({.what = engine.outputs.string() + " holds no tensors",
                       .why = "the file has no expected outputs to compare with",
                       .remedy = "save the expected outputs in it, or remove the file"});
  return expected;
}

}  // namespace greenlane::runtime
