#include "exchange.hpp"

#include "python_end.hpp"
#include "torch/module_engine.hpp"

#include <greenlane/core/error.hpp>

#include <torch/library.h>

#include <utility>

namespace greenlane::bindings {

std::function<std::vector<at::Tensor>(const std::vector<at::Tensor>&)> model_of(const ExchangePtr& exchange) {
  auto* const call = reinterpret_cast<void (*)(int64_t)>(exchange->function);  // NOLINT(performance-no-int-to-ptr)
  return [exchange, call](const std::vector<at::Tensor>& inputs) {
    exchange->inputs = inputs;
    exchange->outputs.reset();
    exchange->failure = "its function in Python is gone";
    exchange->is_refusal = false;
    call_python(call, exchange->key);
    exchange->inputs.clear();
    if (!exchange->outputs && exchange->is_refusal) throw greenlane::detail::NotCapturable(exchange->failure);
    if (!exchange->outputs) throw EngineError({.what = exchange->failure, .why = "", .remedy = ""});
    return *std::exchange(exchange->outputs, std::nullopt);
  };
}

void register_exchange(torch::Library& library) {
  library.class_<ExchangeObject>("Exchange")
      .def(torch::init<int64_t, int64_t>())
      .def("inputs", [](const ExchangePtr& self) { return self->inputs; })
      .def("give", [](const ExchangePtr& self, std::vector<at::Tensor> outputs) { self->outputs = std::move(outputs); })
      .def("fail", [](const ExchangePtr& self, std::string failure) { self->failure = std::move(failure); })
      .def("refuse", [](const ExchangePtr& self, std::string why) {
        self->failure = std::move(why);
        self->is_refusal = true;
      });
}

}  // namespace greenlane::bindings
