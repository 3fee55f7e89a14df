#include "runtime/edge_examples.hpp"

#include "runtime/edge_config.hpp"
#include "runtime/serving/served_engine.hpp"
#include "runtime/tensor_workload.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/torch/tensor_io.hpp>

#include <ATen/Functions.h>

#include <algorithm>
#include <string>

namespace greenlane::runtime {
namespace {

const TensorWorkload& workload_of(const std::shared_ptr<ServedEngine>& engine) {
  return static_cast<const TensorWorkload&>(engine->workload());
}

[[noreturn]] void fail(const PipelineConfig& config, const EngineConfig& engine, const std::string& why,
                       const std::string& remedy) {
  throw ConfigError({.what = config.file.string() + ": engine." + engine.name + ".from", .why = why, .remedy = remedy});
}

std::string name_of(const EngineConfig& engine, const InputConfig& input) {
  return "'" + engine.edges[input.edge].producer + "." + std::to_string(input.output) + "'";
}

// Returns memory of the same layout on the device of `on`.
at::Tensor alike(const at::Tensor& tensor, const at::Tensor& on) {
  if (!tensor.defined() || tensor.device() == on.device()) return tensor;
  const auto options = tensor.options().device(on.device()).pinned_memory(false);
  return tensor.is_non_overlapping_and_dense() ? at::empty_strided(tensor.sizes(), tensor.strides(), options)
                                               : at::empty(tensor.sizes(), options);
}

// Returns an example of the tensor that an input takes; undefined: unknown.
at::Tensor example_of(const LoadedPipeline& pipeline, const EngineConfig& engine, const InputConfig& input) {
  const auto& config = pipeline.config();
  const auto& producer = engine.edges[input.edge].producer;
  const auto index = find_engine(config, producer);
  if (!index) return item_of(pipeline, find_source(config, producer).value()).at(input.output);
  const auto& workload = workload_of(pipeline.engines()[*index]);
  if (workload.takes_inputs() && config.engines[*index].from.empty()) {
    fail(config, engine, "engine '" + producer + "' takes inputs and has no `from`, so only calls run it",
         "give it `from`: outputs of calls go to their callers only");
  }
  const auto outputs = workload.recorded_outputs();
  if (outputs.empty()) return {};
  if (input.output < outputs.size()) return outputs[input.output];
  fail(config, engine, "engine '" + producer + "' has " + std::to_string(outputs.size()) + " outputs",
       "name an output from 0 to " + std::to_string(outputs.size() - 1) + " instead of " + name_of(engine, input));
}

void require_engine_fits(const LoadedPipeline& pipeline, std::size_t index) {
  const auto& config = pipeline.config();
  const auto& engine = config.engines[index];
  const auto& workload = workload_of(pipeline.engines()[index]);
  const auto recorded = workload.recorded_inputs();
  if (recorded.size() != engine.from.size()) {
    fail(config, engine,
         "it has " + std::to_string(engine.from.size()) + " entries, and the model has " +
             std::to_string(recorded.size()) + " inputs",
         "give one entry for each input");
  }
  auto inputs = recorded;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const auto example = example_of(pipeline, engine, engine.from[i]);
    if (example.defined()) inputs[i] = alike(example, recorded[i]);
  }
  if (workload.fits(inputs)) return;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    auto one_changed = recorded;
    one_changed[i] = inputs[i];
    try {
      workload.require_fit(one_changed);
    } catch (const Error& error) {
      fail(config, engine, name_of(engine, engine.from[i]) + " does not fit: " + error.what(), "");
    }
  }
  try {
    workload.require_fit(inputs);
  } catch (const Error& error) {
    fail(config, engine, error.what(), "");
  }
}

// Calls `use` with each engine that takes from this source, its input's index, and the tensor's.
template <typename Use>
void for_each_consumer(const PipelineConfig& config, std::size_t source, const Use& use) {
  for (std::size_t i = 0; i < config.engines.size(); ++i) {
    const auto& engine = config.engines[i];
    for (std::size_t input = 0; input < engine.from.size(); ++input) {
      const auto& from = engine.from[input];
      if (engine.edges[from.edge].producer == config.sources[source].name) use(i, input, from.output);
    }
  }
}

}  // namespace

std::vector<at::Tensor> item_of(const LoadedPipeline& pipeline, std::size_t source) {
  std::vector<at::Tensor> item;
  for_each_consumer(pipeline.config(), source, [&](std::size_t engine, std::size_t input, std::size_t tensor) {
    const auto recorded = workload_of(pipeline.engines()[engine]).recorded_inputs();
    if (tensor >= item.size()) item.resize(tensor + 1);
    if (!item[tensor].defined() && input < recorded.size()) item[tensor] = recorded[input];
  });
  return item;
}

std::vector<at::Tensor> initial_of(const LoadedPipeline& pipeline, std::size_t engine, std::size_t edge) {
  const auto& config = pipeline.config();
  const auto& of = config.engines[engine];
  const auto& file = of.edges[edge].initial;
  const auto& workload = workload_of(pipeline.engines()[engine]);
  const auto recorded = workload.recorded_inputs();
  std::vector<at::Tensor> initial;
  if (!file.empty()) initial = load_tensors(file.string());
  auto inputs = recorded;
  for (std::size_t i = 0; i < of.from.size(); ++i) {
    if (of.from[i].edge != edge || i >= recorded.size()) continue;
    const auto output = of.from[i].output;
    if (output >= initial.size()) {
      if (!file.empty()) {
        fail(config, of,
             "'" + file.string() + "' holds " + std::to_string(initial.size()) + " tensors, and output " +
                 std::to_string(output) + " is taken",
             "save all outputs of '" + of.edges[edge].producer + "'");
      }
      initial.resize(output + 1);
    }
    if (file.empty()) initial[output] = at::zeros_like(recorded[i], at::TensorOptions(at::kCPU));
    inputs[i] = alike(initial[output], recorded[i]);
  }
  try {
    workload.require_fit(inputs);
  } catch (const Error& error) {
    fail(config, of, "the initial data of '" + of.edges[edge].producer + "' does not fit: " + error.what(), "");
  }
  for (auto& tensor : initial) {
    if (tensor.defined()) tensor = to_device({tensor}, pipeline.device_of(engine).id()).front();
  }
  return initial;
}

void require_edges_fit(const LoadedPipeline& pipeline) {
  for (std::size_t i = 0; i < pipeline.engines().size(); ++i) {
    if (!pipeline.config().engines[i].from.empty()) require_engine_fits(pipeline, i);
  }
}

void require_item_fits(const PipelineConfig& config, const std::vector<std::shared_ptr<ServedEngine>>& engines,
                       std::size_t source, const std::vector<at::Tensor>& item) {
  for_each_consumer(config, source, [&](std::size_t engine, std::size_t input, std::size_t tensor) {
    engines[engine]->while_serving([&] {
      const auto& workload = workload_of(engines[engine]);
      auto inputs = workload.recorded_inputs();
      // Strides do not matter: they are those of the recorded input on the device.
      const auto& given = item.at(tensor);
      if (given.scalar_type() == inputs[input].scalar_type() && given.sizes() == inputs[input].sizes()) return;
      inputs[input] = alike(given, inputs[input]);
      try {
        workload.require_fit(inputs);
      } catch (const Error& error) {
        throw EngineError({.what = "an item of source '" + config.sources[source].name + "' does not fit engine '" +
                                   config.engines[engine].name + "'",
                           .why = error.what(),
                           .remedy = ""});
      }
    });
  });
}

}  // namespace greenlane::runtime
