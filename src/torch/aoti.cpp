#include "torch/engine_calls.hpp"
#include "torch/engine_random.hpp"
#include "torch/model_loading.hpp"
#include "torch/package.hpp"
#include "torch/probe.hpp"

#include <greenlane/core/binding.hpp>
#include <greenlane/core/error.hpp>
#include <greenlane/detail/core/access.hpp>
#include <greenlane/detail/core/current_context.hpp>
#include <greenlane/detail/core/process.hpp>
#include <greenlane/detail/torch/bound_call.hpp>
#include <greenlane/detail/torch/resident_graph.hpp>
#include <greenlane/detail/torch/versions.hpp>
#include <greenlane/torch/aoti.hpp>
#include <greenlane/torch/bindable.hpp>

#include <c10/cuda/CUDAGuard.h>

#include <algorithm>
#include <filesystem>
#include <mutex>
#include <system_error>
#include <utility>

namespace greenlane {

struct AotiEngine::Impl {
  std::string name;
  bool stateful;
  detail::LoadedModel model;
  StreamBinding binding;
  detail::EngineRandom random;
  detail::EngineCalls calls{binding};

  [[noreturn]] void fail(const detail::ModelFailure& failure) const {
    const auto lane = binding.lane();
    const std::string where =
        lane ? " on lane '" + lane->name() + "' (" + units_text(model.device.id().kind, lane->units()) + ")" : "";
    throw EngineError(
        {.what = "engine '" + name + "' failed" + where,
         .why = failure.what(),
         .remedy = lane ? "call it without a lane; if it still fails, check the model, else give the lane more units"
                        : "look at the model; GREENLANE_LOG=debug shows PyTorch's C++ stack"});
  }

  // Runs the model on the calling thread.
  // Throws: EngineError.
  std::vector<at::Tensor> run_on_cpu(const std::vector<at::Tensor>& inputs) const {
    const auto turn = model.calls->turn();
    try {
      return model.calls->run(inputs);
    } catch (const detail::ModelFailure& failure) {
      fail(failure);
    }
  }

  std::vector<at::Tensor> run(const std::vector<at::Tensor>& inputs, const BoundCall& call,
                              std::optional<GraphOutputs> kind) const {
    if (call.is_captured() && !model.calls->is_single_threaded()) {
      throw EngineError({.what = "engine '" + name + "' cannot be captured in a graph",
                         .why = "AOTInductor synchronizes between calls, which a capture forbids",
                         .remedy = "load it with graphs = resident, or single_threaded = true"});
    }
    const auto turn = model.calls->turn();
    model.state.note_writes(inputs);
    const auto run_model = [&](const std::vector<at::Tensor>& given) {
      model.state.note_writes(given);
      return model.calls->run(given, c10::cuda::getCurrentCUDAStream(call.stream().device_index()).stream());
    };
    return calls.run(call, inputs, {.repeatable = !stateful, .outputs = kind}, run_model);
  }
};

AotiEngine::AotiEngine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
AotiEngine::~AotiEngine() {
  const CurrentContext context;  // AOTInductor makes its device current
  impl_.reset();
}

const std::string& AotiEngine::name() const noexcept { return impl_->name; }
const Device& AotiEngine::device() const noexcept { return impl_->model.device; }
const Signature& AotiEngine::signature() const noexcept { return impl_->model.signature; }
const std::unordered_map<std::string, std::string>& AotiEngine::metadata() const noexcept {
  return impl_->model.metadata;
}
std::vector<std::string> AotiEngine::call_spec() const { return impl_->model.calls->loader().get_call_spec(); }
void AotiEngine::bind(const Lane& lane) { impl_->binding.set(lane); }
StreamBinding& AotiEngine::binding() noexcept { return impl_->binding; }
void AotiEngine::unbind() { impl_->binding.clear(); }
std::optional<Lane> AotiEngine::lane() const { return impl_->binding.lane(); }
const std::vector<at::Tensor>& AotiEngine::state() const noexcept { return impl_->model.state.constants(); }
void AotiEngine::reset_random() { impl_->random.reset(); }
bool AotiEngine::is_stateful() const noexcept { return impl_->stateful; }
bool AotiEngine::writes_input(std::size_t index) const { return impl_->model.state.writes_input(index); }
void AotiEngine::retune() {
  if (const auto graphs = impl_->calls.graphs()) graphs->retune();
}

std::optional<GraphReport> AotiEngine::graphs() const {
  const auto graphs = impl_->calls.graphs();
  return graphs ? std::optional(graphs->report()) : std::nullopt;
}

std::optional<GraphReport> AotiEngine::graphs_if_idle() const {
  const auto graphs = impl_->calls.graphs();
  return graphs ? graphs->report_if_idle() : std::nullopt;
}

void AotiEngine::set_urgent(std::optional<std::chrono::nanoseconds> deadline) {
  if (impl_->model.device.id().kind == DeviceKind::cpu) return;
  impl_->calls.set_urgent(deadline);
}

void AotiEngine::expect_call(Gate::Clock::time_point from) { impl_->calls.expect(from); }

void AotiEngine::set_gates(const std::optional<SliceOptions>& slices) {
  if (impl_->model.device.id().kind == DeviceKind::cpu) return;
  impl_->calls.set_gates(slices);
}

std::vector<InnerEngine> AotiEngine::inner_engines() const {
  const auto objects = detail::custom_objects(impl_->model.calls->loader());
  if (!objects) {
    throw EngineError({.what = "the engines inside '" + impl_->name + "' cannot be reached",
                       .why = "PyTorch " + std::string(torch_version()) + " has no access to them",
                       .remedy = "use PyTorch 2.13 or newer; or bind the whole package, and turn the passthrough on if "
                                 "the engines inside choose streams by themselves"});
  }
  std::vector<InnerEngine> engines;
  for (const auto& [key, object] : *objects) {
    if (auto binding = find_bindable(object)) {
      auto name = binding->owner();
      engines.push_back({.name = std::move(name), .key = key, .binding = std::move(binding)});
    }
  }
  std::ranges::sort(engines, {}, &InnerEngine::key);
  return engines;
}

void AotiEngine::bind_inner(const std::vector<std::pair<std::string, Lane>>& lanes) {
  const auto engines = inner_engines();
  std::vector<BindingRequest> requests;
  std::string unmatched;
  for (const auto& [name, lane] : lanes) {
    const auto before = requests.size();
    for (const auto& engine : engines) {
      if (engine.name == name || engine.key == name)
        requests.push_back({.binding = engine.binding.get(), .lane = lane});
    }
    if (requests.size() != before + 1) unmatched += (unmatched.empty() ? "'" : ", '") + name + "'";
  }
  if (!unmatched.empty()) {
    std::string there;
    for (const auto& engine : engines) there += (there.empty() ? "" : ", ") + engine.name + " (" + engine.key + ")";
    throw EngineError({.what = "no engines inside '" + impl_->name + "' were bound",
                       .why = unmatched + " must each be the name of exactly one of them",
                       .remedy = there.empty() ? "there are none that greenlane can bind" : "there are: " + there});
  }
  bind_all(requests);
}

EngineRun AotiEngine::submit(std::vector<at::Tensor> inputs) {
  auto outputs = std::make_shared<std::vector<at::Tensor>>();
  const auto id = impl_->model.device.id();
  if (id.kind != DeviceKind::cpu) {
    *outputs = run(inputs);
    return detail::Access::make<EngineRun>(std::nullopt, std::move(outputs));
  }
  impl_->model.signature.check(inputs, id, impl_->name);
  impl_->model.state.note_writes(inputs);
  auto work = submit_on_cpu(impl_->binding, [self = shared_from_this(), given = std::move(inputs), outputs] {
    *outputs = self->impl_->run_on_cpu(given);
  });
  return detail::Access::make<EngineRun>(std::move(work), std::move(outputs));
}

std::vector<at::Tensor> AotiEngine::run(const std::vector<at::Tensor>& inputs, std::optional<GraphOutputs> outputs) {
  const auto id = impl_->model.device.id();
  impl_->model.signature.check(inputs, id, impl_->name);
  std::vector<at::Tensor> results;
  try {
    if (id.kind == DeviceKind::cpu) {
      impl_->model.state.note_writes(inputs);
      call_on_cpu(impl_->binding, [&] { results = impl_->run_on_cpu(inputs); });
    } else {
      BoundCall call(impl_->binding, inputs);
      results = impl_->run(inputs, call, outputs);
      call.finish(results);
    }
  } catch (const detail::ModelFailure& failure) {
    impl_->fail(failure);
  }
  return results;
}

std::shared_ptr<AotiEngine> load_aoti(const std::string& path, AotiOptions options) {
  static detail::ForkSafeMutex loading;
  const std::scoped_lock lock(loading);
  const CurrentContext context;

  if (options.name.empty()) options.name = std::filesystem::path(path).stem().string();
  const auto loaded = detail::identity_of(path);  // before it is read
  auto model = detail::load_model(path, options);
  const Device device = model.device;
  using Impl = detail::Access::Impl<AotiEngine>;
  std::unique_ptr<Impl> impl(new Impl{.name = options.name,
                                      .stateful = options.stateful,
                                      .model = std::move(model),
                                      .binding = StreamBinding(device, options.name),
                                      .random = detail::EngineRandom(device, options.seed)});
  if (detail::has_graphs(options, device)) {
    const auto graphs = impl->calls.use_graphs(options.graph_options, impl->random.generator());
    std::error_code error;
    const auto file = std::filesystem::absolute(path, error).string();
    graphs->set_kernel_code(std::make_shared<KernelCode>([file = error ? path : file, model = options.model, loaded] {
      return detail::read_kernels(file, model, loaded);
    }));
    impl->binding.set_captured_work(graphs);
  }
  auto engine = detail::Access::make_shared<AotiEngine>(std::move(impl));
  if (options.lane) engine->bind(*options.lane);
  if (options.urgent) engine->set_urgent(options.urgent);
  if (options.gates) engine->set_gates(options.gates);
  detail::warn_of_unchecked(engine->name(), engine->signature());
  return engine;
}

}  // namespace greenlane
