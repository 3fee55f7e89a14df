#include "runtime/module_workload.hpp"

#include "runtime/engine_workload.hpp"
#include "runtime/expected_outputs.hpp"
#include "torch/module_engine.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/torch/tensor_io.hpp>

#include <atomic>
#include <span>

namespace greenlane::runtime {
namespace {

using greenlane::detail::ModuleEngine;

class ModuleWorkload final : public EngineWorkload<ModuleEngine> {
 public:
  using EngineWorkload::EngineWorkload;

  void run() override { EngineWorkload::run(); }
  void run(Work& work) override {
    is_served_ = true;
    EngineWorkload::run(work);
  }
  std::int64_t run(std::span<Work* const> batch) override {
    is_served_ = true;
    return EngineWorkload::run(batch);
  }
  [[nodiscard]] std::shared_ptr<const Payload> begin(std::span<const Feed> feeds) override {
    is_served_ = true;
    return EngineWorkload::begin(feeds);
  }
  [[nodiscard]] std::vector<at::Tensor> call(const std::vector<at::Tensor>& inputs) override {
    is_served_ = true;
    return EngineWorkload::call(inputs);
  }
  void recapture() override {
    is_served_ = true;
    engine().recapture(recorded());
  }
  // Once it is served, its buffers are the program's.
  void reset_state() override {
    if (!is_served_) EngineWorkload::reset_state();
  }
  [[nodiscard]] bool is_in_python() const override { return engine().is_in_python(); }
  [[nodiscard]] std::vector<TensorSpec> input_specs() const override {
    auto specs = EngineWorkload::input_specs();
    if (batches()) batches()->limit(specs);
    return specs;
  }

 protected:
  void require_engine_fit(const std::vector<at::Tensor>& inputs, bool are_on_host) const override {
    engine().check(inputs, are_on_host);
  }

 private:
  std::atomic<bool> is_served_{false};
};

void require_device(const EngineConfig& engine, const Device& device, const ModuleSource& source) {
  const auto wanted = to_string(device.id());
  if (source.device.empty() || source.device == wanted) return;
  throw ConfigError({.what = "module '" + engine.module + "' is on " + source.device,
                     .why = "the lane of its engine is on " + wanted,
                     .remedy = "move the module to " + wanted + ", or set `device` of the pipeline or the lane"});
}

}  // namespace

std::shared_ptr<Workload> make_module_workload(const PipelineConfig& config, const EngineConfig& engine,
                                               const Device& device, const ModuleSource& source) {
  try {
    require_device(engine, device, source);
    if (!engine.graphs && !engine.python && device.id().kind == DeviceKind::cuda) {
      throw ConfigError({.what = "`graphs = \"off\"`",
                         .why = "a module is replayed from a CUDA graph, or it runs in Python",
                         .remedy = "set `python = true`, or leave `graphs` out"});
    }
    std::vector<at::Tensor> inputs;
    // Their memory is their own, because the module may write to it.
    for (const auto& input : to_device(source.inputs, device.id())) inputs.push_back(input.clone());
    const greenlane::detail::ModuleOptions options{
        .name = engine.name,
        .module = engine.module,
        .in_python = engine.python,
        .tune_kernels = engine.tune_kernels,
        .stateful = engine.stateful,
        .seed = engine.seed.value_or(greenlane::detail::seed_for(engine.name))};
    if (engine.batch && !engine.python && engine.batch->sizes.size() > 1) {
      throw ConfigError({.what = "`batch_sizes` of module '" + engine.module + "'",
                         .why = "a module has one size, that of its recorded inputs",
                         .remedy = "list that size alone, set `python = true`, or export the module to a package"});
    }
    auto loaded = std::make_shared<ModuleEngine>(device, options, source.model, inputs);
    auto expected = expected_outputs(engine);
    auto batches = batches_of(engine, *loaded, inputs, expected,
                              [&](const std::vector<at::Tensor>& given) { loaded->check(given); });
    return std::make_shared<ModuleWorkload>(std::move(loaded), std::move(inputs), std::move(expected),
                                            engine.check_outputs, std::move(batches));
  } catch (const Error& error) {
    throw ConfigError({.what = config.file.string() + ": engine." + engine.name, .why = error.what(), .remedy = ""});
  }
}

}  // namespace greenlane::runtime
