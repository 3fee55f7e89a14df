#include "torch/engine_calls.hpp"

#include <greenlane/core/error.hpp>

#include <algorithm>
#include <utility>

namespace greenlane::detail {

void refuse_gates(const std::string& engine) {
  throw EngineError({.what = "engine '" + engine + "' cannot have gates",
                     .why = "gates cut CUDA graphs, and it has none",
                     .remedy = "load or bind it with graphs = resident"});
}

std::shared_ptr<ResidentGraphs> EngineCalls::use_graphs(const std::optional<GraphOptions>& options,
                                                        at::Generator generator) {
  std::shared_ptr<ResidentGraphs> graphs;
  if (options) {
    auto limited = *options;
    limited.capacity = std::min(limited.capacity, most_graphs_);
    graphs = std::make_shared<ResidentGraphs>(binding_, limited, std::move(generator));
  }
  const std::scoped_lock lock(mutex_);
  graphs_ = graphs;
  choices_.graphs = options;
  choices_.gates.reset();
  return graphs;
}

void EngineCalls::set_urgent(std::optional<std::chrono::nanoseconds> deadline) {
  urgency_.set(binding_.device(), deadline);
  const std::scoped_lock lock(mutex_);
  choices_.urgent = deadline;
}

void EngineCalls::set_gates(const std::optional<SliceOptions>& slices) {
  const auto present = graphs();
  if (!present && slices) refuse_gates(binding_.owner());
  if (present) present->set_gates(slices);
  const std::scoped_lock lock(mutex_);
  choices_.gates = slices;
}

EngineCalls::Choices EngineCalls::choices() const {
  const std::scoped_lock lock(mutex_);
  return choices_;
}

std::shared_ptr<ResidentGraphs> EngineCalls::graphs() const {
  const std::scoped_lock lock(mutex_);
  return graphs_;
}

int& EngineCalls::Pass::passes_here() noexcept {
  static thread_local int count = 0;
  return count;
}

std::optional<EngineCalls::Pass> EngineCalls::pass(const BoundCall& call) const {
  auto engine = urgency_.get();
  if (!engine || call.is_captured()) return std::nullopt;
  return Pass(std::move(engine), call);
}

std::vector<at::Tensor> EngineCalls::run(const BoundCall& call, const std::vector<at::Tensor>& inputs,
                                         ResidentGraphs::Kind kind, const ResidentGraphs::Model& model) const {
  auto urgent = pass(call);
  kind.urgent = Pass::passes_here() > 0;
  const auto present = graphs();
  auto outputs = present ? present->run(call, inputs, kind, model) : model(inputs);
  if (urgent) urgent->enqueued(call);
  return outputs;
}

}  // namespace greenlane::detail
