// torch.classes.greenlane.Exchange: a model in Python that C++ calls.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/custom_class.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace greenlane::bindings {

// The data of one call: `function(key)` reads the inputs, and gives outputs or a failure.
struct ExchangeObject final : torch::CustomClassHolder {
  ExchangeObject(std::int64_t function_, std::int64_t key_) : function(function_), key(key_) {}
  std::int64_t function;  // the address of a C function
  std::int64_t key;
  std::vector<at::Tensor> inputs;
  std::optional<std::vector<at::Tensor>> outputs;
  std::string failure;
  bool is_refusal = false;  // the failure is that the model must not be captured
};
using ExchangePtr = c10::intrusive_ptr<ExchangeObject>;

// Returns the model, as a function that throws EngineError with the failure.
[[nodiscard]] std::function<std::vector<at::Tensor>(const std::vector<at::Tensor>&)> model_of(
    const ExchangePtr& exchange);

void register_exchange(torch::Library& library);

}  // namespace greenlane::bindings
