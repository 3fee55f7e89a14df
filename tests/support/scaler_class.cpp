// An engine of another maker, like Torch-TensorRT's: a custom class whose objects go into packages, and an operator
// that runs them. It multiplies, and reports its thread.
#include <greenlane/detail/torch/bound_call.hpp>
#include <greenlane/torch/bindable.hpp>

#include <ATen/ATen.h>
#include <torch/custom_class.h>
#include <torch/library.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <tuple>
#include <vector>

namespace {

struct Scaler final : torch::CustomClassHolder {
  Scaler(std::string own_name, double times)
      : name(std::move(own_name)),
        factor(times),
        binding(std::make_shared<greenlane::StreamBinding>(greenlane::Device::open("cpu"), name)) {}
  std::string name;
  double factor;
  std::shared_ptr<greenlane::StreamBinding> binding;
};
using ScalerPtr = c10::intrusive_ptr<Scaler>;
using State = std::tuple<std::string, double>;

std::tuple<at::Tensor, at::Tensor> scale(const at::Tensor& x, const ScalerPtr& scaler) {
  at::Tensor scaled;
  at::Tensor thread;
  greenlane::call_on_cpu(*scaler->binding, [&] {
    scaled = x * scaler->factor;
    thread = at::tensor({static_cast<int64_t>(gettid())}, at::kLong);
  });
  return {scaled, thread};
}

}  // namespace

TORCH_LIBRARY(greenlane_test, m) {
  m.class_<Scaler>("Scaler")
      .def(torch::init<std::string, double>())
      .def("__obj_flatten__",
           [](const ScalerPtr& self) {
             return std::make_tuple(std::make_tuple(std::string("name"), self->name),
                                    std::make_tuple(std::string("factor"), self->factor));
           })
      .def_pickle(
          [](const ScalerPtr& self) { return State(self->name, self->factor); },
          [](const State& state) { return c10::make_intrusive<Scaler>(std::get<0>(state), std::get<1>(state)); });
  m.def("scale(Tensor x, __torch__.torch.classes.greenlane_test.Scaler scaler) -> (Tensor, Tensor)");
  m.impl("scale", c10::DispatchKey::CPU, TORCH_FN(scale));
  greenlane::register_bindable_class(
      "__torch__.torch.classes.greenlane_test.Scaler",
      [](const c10::IValue& object, bool /*make*/) { return object.toCustomClass<Scaler>()->binding; });
}
