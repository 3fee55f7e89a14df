#include "pipeline_call.hpp"

#include "python_end.hpp"
#include "refusal.hpp"
#include "torch/caller_settings.hpp"

#include <exception>
#include <optional>
#include <thread>
#include <tuple>
#include <utility>

namespace greenlane::bindings {

PipelineCallObject::PipelineCallObject(PipelineEngine engine, std::vector<at::Tensor> inputs) {
  std::promise<std::vector<at::Tensor>> promise;
  outputs_ = promise.get_future();
  std::optional<greenlane::detail::CallerSettings> settings;
  try {
    settings.emplace(engine.lane());
  } catch (const RequestError&) {
    settings.reset();  // the pipeline is closed, and call() says so
  }
  std::thread([settings, engine = std::move(engine), given = std::move(inputs),
               promise = std::move(promise)]() mutable {
    try {
      std::optional<greenlane::detail::CallerSettings::Scope> scope;
      if (settings) scope.emplace(*settings);
      promise.set_value(engine.call(given));
    } catch (...) {
      promise.set_exception(std::current_exception());
    }
  }).detach();
}

namespace {

// Returns the outputs, which mean nothing if there is a refusal, and the refusal. Waits for the end.
std::tuple<std::vector<at::Tensor>, Refusal> finish_pipeline_call(const PipelineCallPtr& self) {
  const WayBack way_back;
  std::vector<at::Tensor> outputs;
  auto refusal = refusal_in([&] { outputs = self->outputs(); });
  return {std::move(outputs), std::move(refusal)};
}

}  // namespace

void register_pipeline_call(torch::Library& library) {
  library.class_<PipelineCallObject>("PipelineCall")
      .def("address",
           [](const PipelineCallPtr& self) {
             const WayBack way_back;
             return address_of(*self);
           })
      .def("finish", finish_pipeline_call);
}

}  // namespace greenlane::bindings
