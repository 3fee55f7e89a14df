// Runs AOTInductor packages as workloads.
#include "runtime/aoti_workload.hpp"

#include "runtime/engine_workload.hpp"
#include "runtime/expected_outputs.hpp"
#include "torch/engine_random.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/torch/aoti.hpp>
#include <greenlane/torch/tensor_io.hpp>

#include <algorithm>

namespace greenlane::runtime {
namespace {

class AotiWorkload final : public EngineWorkload<AotiEngine> {
 public:
  using EngineWorkload::EngineWorkload;
  [[nodiscard]] std::vector<std::string> call_spec() const override { return engine().call_spec(); }
  [[nodiscard]] std::vector<TensorSpec> input_specs() const override {
    auto specs = EngineWorkload::input_specs();
    if (batches()) {  // requests differ from the recorded inputs in their rows only
      batches()->limit(specs);
      return specs;
    }
    const auto& known = engine().signature().inputs();
    for (std::size_t i = 0; i < std::min(specs.size(), known.size()); ++i) {
      if (known[i].dimensions.size() == specs[i].dimensions.size()) specs[i].dimensions = known[i].dimensions;
    }
    return specs;
  }
  void recapture() override {
    throw EngineError({.what = "engine '" + engine().name() + "' cannot be captured again",
                       .why = "it is a package, which does not change",
                       .remedy = "recapture modules only"});
  }

 protected:
  [[nodiscard]] bool has_fixed_layout() const override { return true; }
  void require_engine_fit(const std::vector<at::Tensor>& inputs, bool are_on_host) const override {
    const auto place = are_on_host ? DeviceId{.kind = DeviceKind::cpu, .index = 0} : engine().device().id();
    engine().signature().check(inputs, place, engine().name());
  }
};

// Checks that dimension 0 of all inputs is one and the same size to the compiler.
void require_one_batch(const AotiEngine& engine) {
  const auto& inputs = engine.signature().inputs();
  const auto rule_of = [](const TensorSpec& spec) {
    return spec.dimensions.empty() ? std::string() : spec.dimensions.front().size_rule;
  };
  const auto text_of = [&](const TensorSpec& spec) {
    if (const auto rule = rule_of(spec); !rule.empty()) return "the size " + rule;
    return std::string(spec.dimensions.empty() ? "unknown" : "a fixed size");
  };
  for (std::size_t i = 1; i < inputs.size(); ++i) {
    if (rule_of(inputs[i]) == rule_of(inputs[0])) continue;
    throw EngineError({.what = "engine '" + engine.name() + "' makes no batches",
                       .why = "dimension 0 of input 0 is " + text_of(inputs[0]) + ", and that of input " +
                              std::to_string(i) + " is " + text_of(inputs[i]),
                       .remedy = "export the model with one torch.export.Dim for the batch, or leave `max_batch` out"});
  }
}

}  // namespace

std::shared_ptr<Workload> make_aoti_workload(const PipelineConfig& config, const EngineConfig& engine,
                                             const Device& device) {
  try {
    auto inputs = to_device(load_tensors(engine.inputs), device.id());
    auto expected = expected_outputs(engine);
    auto loaded = load_aoti(engine.model, {.device = device.id(),
                                           .name = engine.name,
                                           .graphs = engine.graphs ? Graphs::resident : Graphs::off,
                                           .graph_options = {.outputs = GraphOutputs::copies,
                                                             .tune_kernels = engine.tune_kernels,
                                                             .capacity = engine.batch ? engine.batch->sizes.size() : 1},
                                           .stateful = engine.stateful,
                                           .seed = engine.seed.value_or(greenlane::detail::seed_for(engine.name))});
    if (engine.batch) require_one_batch(*loaded);
    auto batches = batches_of(engine, *loaded, inputs, expected, [&](const std::vector<at::Tensor>& given) {
      loaded->signature().check(given, device.id(), engine.name);
    });
    loaded->signature().check(inputs, device.id(), engine.name);
    return std::make_shared<AotiWorkload>(std::move(loaded), std::move(inputs), std::move(expected),
                                          engine.check_outputs, std::move(batches));
  } catch (const Error& error) {
    throw ConfigError({.what = config.file.string() + ": engine." + engine.name, .why = error.what(), .remedy = ""});
  }
}

}  // namespace greenlane::runtime
