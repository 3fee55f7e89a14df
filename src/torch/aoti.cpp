#include "torch/error_output.hpp"
#include "torch/package.hpp"
#include "torch/probe.hpp"
#include "torch/unpacked_folder.hpp"
#include "torch/whole_torch.hpp"
#include "torch/writes.hpp"

#include <greenlane/core/binding.hpp>
#include <greenlane/core/error.hpp>
#include <greenlane/core/log.hpp>
#include <greenlane/detail/core/access.hpp>
#include <greenlane/detail/core/current_context.hpp>
#include <greenlane/detail/core/process.hpp>
#include <greenlane/detail/core/urgent.hpp>
#include <greenlane/detail/torch/bound_call.hpp>
#include <greenlane/detail/torch/resident_graph.hpp>
#include <greenlane/detail/torch/versions.hpp>
#include <greenlane/torch/aoti.hpp>
#include <greenlane/torch/bindable.hpp>

#include <c10/cuda/CUDAGraphsC10Utils.h>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <stdexcept>
#include <utility>

namespace greenlane {

using torch::inductor::AOTIModelPackageLoader;

namespace {

// The model's error, in one line.
struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace

struct AotiEngine::Impl {
  std::string name;
  Device device;
  Signature signature;
  std::unordered_map<std::string, std::string> metadata;
  detail::PackageEffects effects;
  bool single_threaded;
  bool stateful;
  AOTIModelPackageLoader loader;
  std::vector<at::Tensor> state{};         // constants that calls write to
  std::shared_ptr<ResidentGraphs> graphs;  // null: none
  StreamBinding binding;
  detail::ForkSafeMutex urgency{};  // protects the next member
  std::shared_ptr<UrgentEngine> urgent{};
  detail::ForkSafeMutex calls{};  // for a loader that may not be called from two threads at once

  std::shared_ptr<UrgentEngine> is_urgent() {
    const std::scoped_lock lock(urgency);
    return urgent;
  }

  [[nodiscard]] bool writes_input(std::size_t index) const {
    return !effects.is_known || (index < effects.writes_input.size() && effects.writes_input[index]);
  }

  void note_writes(const std::vector<at::Tensor>& inputs) const {
    if (!detail::WriteScope::is_active()) return;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (writes_input(i)) detail::WriteScope::note(inputs[i]);
    }
    for (const auto& tensor : state) detail::WriteScope::note(tensor);
  }

  // Runs `work` and collects the model's error output.
  // Throws: Failure.
  template <typename Work>
  static std::vector<at::Tensor> call_model(Work work) {
    detail::ErrorOutput output;
    try {
      return work();
    } catch (const Error&) {
      throw;
    } catch (const std::exception& error) {
      const auto text = output.take();
      debug(text + error.what());
      throw Failure(detail::reason_of(text, error));
    }
  }

  [[noreturn]] void fail(const Failure& failure) const {
    const auto lane = binding.lane();
    const bool one = lane && lane->units().count == 1;
    const std::string unit = device.id().kind == DeviceKind::cuda ? "SM" : "core";
    const std::string where = lane ? " on lane '" + lane->name() + "' (" + std::to_string(lane->units().count) + " " +
                                         unit + (one ? ")" : "s)")
                                   : "";
    throw EngineError({.what = "engine '" + name + "' failed" + where,
                       .why = failure.what(),
                       .remedy = lane ? "call it without a lane: where it fails there, too, the model is at fault, and "
                                        "else give the lane other units"
                                      : "look at the model; GREENLANE_LOG=debug shows PyTorch's C++ stack"});
  }

  // Runs the model on the calling thread.
  // Throws: EngineError.
  std::vector<at::Tensor> run_on_cpu(const std::vector<at::Tensor>& inputs) {
    std::unique_lock<detail::ForkSafeMutex> lock(calls, std::defer_lock);
    if (single_threaded) lock.lock();
    try {
      return call_model([&] { return loader.run(inputs); });
    } catch (const Failure& failure) {
      fail(failure);
    }
  }

  std::vector<at::Tensor> run(const std::vector<at::Tensor>& inputs, const BoundCall& call) {
    std::unique_lock<detail::ForkSafeMutex> lock(calls, std::defer_lock);
    if (single_threaded) {
      lock.lock();
    } else if (call.is_captured()) {
      throw EngineError({.what = "engine '" + name + "' cannot be captured in a graph",
                         .why = "AOTInductor waits between its calls, unless it is loaded in single-threaded mode",
                         .remedy = "load it with graphs = resident, or single_threaded = true"});
    }
    note_writes(inputs);
    const auto model = [&](const std::vector<at::Tensor>& given) {
      note_writes(given);
      return call_model(
          [&] { return loader.run(given, c10::cuda::getCurrentCUDAStream(call.stream().device_index()).stream()); });
    };
    const auto urgent_engine = is_urgent();
    std::optional<UrgentEngine::Call> pass;
    if (urgent_engine && !call.is_captured())
      pass.emplace(urgent_engine->enter(call.lane() ? call.lane()->unit_set() : UnitSetId{}));
    auto outputs = graphs ? graphs->run(call, inputs, {.repeatable = !stateful, .urgent = pass.has_value()}, model)
                          : model(inputs);
    if (pass) pass->enqueued(StreamView(call.stream().stream()));
    return outputs;
  }
};

namespace {

// Returns the constants that calls write to; all constants if that is not known.
std::vector<at::Tensor> state_of(AOTIModelPackageLoader& loader, const detail::PackageEffects& effects) {
  std::vector<at::Tensor> state;
  const auto written = effects.written_constants();
  if (effects.is_known && written.empty()) return state;
  for (const auto& [name, tensor] : loader.get_runner()->extract_constants_map(/*use_inactive=*/false)) {
    if (!effects.is_known || std::ranges::find(written, name) != written.end()) state.push_back(tensor);
  }
  return state;
}

DeviceId choose_device(const std::string& path, const detail::PackageInfo& package, const AotiOptions& options) {
  DeviceId device{package.device, 0};
  if (options.device) {
    device = *options.device;
  } else if (options.lane) {
    device = options.lane->device().id();
  }
  if (device.kind != package.device) {
    const std::string compiled_for = package.device == DeviceKind::cuda ? "cuda" : "cpu";
    throw EngineError({.what = "the package '" + path + "' cannot run on " + to_string(device),
                       .why = "it was compiled for " + compiled_for,
                       .remedy = "export the model for " +
                                 std::string(device.kind == DeviceKind::cuda ? "cuda" : "cpu") + ", or use a lane of " +
                                 compiled_for});
  }
  return device;
}

void check_architecture(const std::string& path, const detail::PackageInfo& package, const DeviceInfo& device) {
  if (device.id.kind != DeviceKind::cuda || package.compute_capability == 0) return;
  if (package.compute_capability / 10 == device.compute_capability / 10) return;
  throw EngineError(
      {.what = "the package '" + path + "' cannot run on " + to_string(device.id) + " (" + device.name + ")",
       .why = "its kernels are for compute capability " + std::to_string(package.compute_capability) +
              ", and this GPU has " + std::to_string(device.compute_capability),
       .remedy = "export the model on a GPU of this kind"});
}

// Gives one warning for everything that the checks of an engine's inputs cannot cover.
void warn_of_unchecked(const std::string& engine, const Signature& signature) {
  if (signature.count() && signature.unchecked().empty()) return;
  constexpr auto* kRisk = ", and its kernels check nothing: a wrong input reads other memory; ";
  if (!signature.count()) {
    const char* itself = std::getenv("AOTI_RUNTIME_CHECK_INPUTS");
    if (itself != nullptr && *itself != '0') return;
    warn("the inputs of engine '" + engine +
         "' cannot be checked: its package holds no wrapper source (*.wrapper.cpp)" + kRisk +
         "use the package as PyTorch wrote it, or set AOTI_RUNTIME_CHECK_INPUTS=1 before the first call, with " +
         "which the package checks by itself");
    return;
  }
  std::string all;
  for (const auto& each : signature.unchecked()) all += (all.empty() ? "" : "; ") + each;
  warn("not all of the inputs of engine '" + engine + "' can be checked: its package does not say, or not clearly (" +
       all + ")" + kRisk + "compare these before the call, or export the model with sizes that are fixed");
}

[[noreturn]] void refuse_gates(const std::string& engine) {
  throw EngineError({.what = "engine '" + engine + "' cannot have gates",
                     .why = "it was loaded without CUDA graphs, and those are what is cut",
                     .remedy = "load it with graphs = resident"});
}

}  // namespace

AotiEngine::AotiEngine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
AotiEngine::~AotiEngine() {
  const CurrentContext context;  // AOTInductor makes its device current
  impl_.reset();
}

const std::string& AotiEngine::name() const noexcept { return impl_->name; }
const Device& AotiEngine::device() const noexcept { return impl_->device; }
const Signature& AotiEngine::signature() const noexcept { return impl_->signature; }
const std::unordered_map<std::string, std::string>& AotiEngine::metadata() const noexcept { return impl_->metadata; }
std::vector<std::string> AotiEngine::call_spec() const { return impl_->loader.get_call_spec(); }
void AotiEngine::bind(const Lane& lane) { impl_->binding.set(lane); }
StreamBinding& AotiEngine::binding() noexcept { return impl_->binding; }
void AotiEngine::unbind() { impl_->binding.clear(); }
std::optional<Lane> AotiEngine::lane() const { return impl_->binding.lane(); }
const std::vector<at::Tensor>& AotiEngine::state() const noexcept { return impl_->state; }
bool AotiEngine::is_stateful() const noexcept { return impl_->stateful; }
bool AotiEngine::writes_input(std::size_t index) const { return impl_->writes_input(index); }
std::optional<GraphReport> AotiEngine::graphs() const {
  if (!impl_->graphs) return std::nullopt;
  return impl_->graphs->report();
}

void AotiEngine::set_urgent(std::optional<std::chrono::nanoseconds> deadline) {
  constexpr int kLimit = 5;  // times the deadline; a longer call is taken for a faulty one
  if (impl_->device.id().kind == DeviceKind::cpu) return;
  auto urgent = deadline ? std::make_shared<UrgentEngine>(impl_->device, kLimit * *deadline) : nullptr;
  const std::scoped_lock lock(impl_->urgency);
  impl_->urgent.swap(urgent);
}

void AotiEngine::expect_call(Gate::Clock::time_point from) {
  const auto urgent = impl_->is_urgent();
  if (!urgent) return;
  const auto bound = lane();
  urgent->expect(bound ? bound->unit_set() : UnitSetId{}, from);
}

void AotiEngine::set_gates(const std::optional<SliceOptions>& slices) {
  if (impl_->device.id().kind == DeviceKind::cpu) return;
  if (impl_->graphs) {
    impl_->graphs->set_gates(slices);
  } else if (slices) {
    refuse_gates(impl_->name);
  }
}

std::vector<InnerEngine> AotiEngine::inner_engines() const {
  const auto objects = detail::custom_objects(impl_->loader);
  if (!objects) {
    throw EngineError({.what = "the engines inside '" + impl_->name + "' cannot be reached",
                       .why = "PyTorch " + std::string(torch_version()) + " does not give them out",
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
  const auto id = impl_->device.id();
  if (id.kind != DeviceKind::cpu) {
    *outputs = run(inputs);
    return detail::Access::make<EngineRun>(std::nullopt, std::move(outputs));
  }
  impl_->signature.check(inputs, id, impl_->name);
  impl_->note_writes(inputs);
  auto work = submit_on_cpu(impl_->binding, [self = shared_from_this(), given = std::move(inputs), outputs] {
    *outputs = self->impl_->run_on_cpu(given);
  });
  return detail::Access::make<EngineRun>(std::move(work), std::move(outputs));
}

std::vector<at::Tensor> AotiEngine::run(const std::vector<at::Tensor>& inputs) {
  const auto id = impl_->device.id();
  impl_->signature.check(inputs, id, impl_->name);
  std::vector<at::Tensor> outputs;
  try {
    if (id.kind == DeviceKind::cpu) {
      impl_->note_writes(inputs);
      call_on_cpu(impl_->binding, [&] { outputs = impl_->run_on_cpu(inputs); });
    } else {
      BoundCall call(impl_->binding, inputs);
      outputs = impl_->run(inputs, call);
      call.finish(outputs);
    }
  } catch (const Failure& failure) {
    impl_->fail(failure);
  }
  return outputs;
}

std::shared_ptr<AotiEngine> load_aoti(const std::string& path, AotiOptions options) {
  if (options.num_runners < 1 || options.num_runners > 1024) {
    throw EngineError({.what = "the package '" + path + "' cannot be loaded with num_runners = " +
                               std::to_string(static_cast<std::int64_t>(options.num_runners)),
                       .why = "each runner is a copy of the model's state for one call at a time",
                       .remedy = "use as many as there are calls at once: 1 or a few"});
  }
  if ((options.single_threaded || options.graphs == Graphs::resident) && options.num_runners != 1) {
    throw EngineError({.what = "the package '" + path + "' cannot be loaded with num_runners = " +
                               std::to_string(options.num_runners) + " for CUDA graphs",
                       .why = "a capture needs AOTInductor's single-threaded mode, which has one runner",
                       .remedy = "load it with one runner, or without graphs"});
  }
  static detail::ForkSafeMutex loading;
  const std::scoped_lock lock(loading);
  const CurrentContext context;
  if (options.name.empty()) options.name = std::filesystem::path(path).stem().string();

  auto package = detail::read_package(path, options.model);
  const DeviceId id = choose_device(path, package, options);
  if (options.gates && options.graphs == Graphs::off && id.kind == DeviceKind::cuda) refuse_gates(options.name);
  const Device device = Device::open(id);
  check_architecture(path, package, device.info());
  detail::load_whole_torch();
  // AOTInductor makes the device current, and leaves it current.
  std::optional<c10::cuda::CUDAGuard> device_guard;
  std::optional<c10::cuda::CUDAStreamCaptureModeGuard> while_others_capture;
  if (id.kind == DeviceKind::cuda) {
    device_guard.emplace(static_cast<c10::DeviceIndex>(id.index));
    while_others_capture.emplace(cudaStreamCaptureModeRelaxed);
  }

  detail::ErrorOutput output;
  const detail::UnpackedFolder unpacked(path);
  try {
    const auto index = static_cast<c10::DeviceIndex>(id.kind == DeviceKind::cuda ? id.index : -1);
    const bool resident = options.graphs == Graphs::resident && id.kind == DeviceKind::cuda;
    const bool single_threaded = options.single_threaded || resident;
    std::unique_ptr<detail::Access::Impl<AotiEngine>> impl(new detail::Access::Impl<AotiEngine>{
        .name = options.name,
        .device = device,
        .signature = std::move(package.signature),
        .metadata = std::move(package.metadata),
        .effects = std::move(package.effects),
        .single_threaded = single_threaded,
        .stateful = options.stateful,
        .loader = AOTIModelPackageLoader(path, options.model, single_threaded, options.num_runners, index),
        .graphs = nullptr,
        .binding = StreamBinding(device, options.name)});
    impl->state = state_of(impl->loader, impl->effects);
    if (resident) {
      impl->graphs = std::make_shared<ResidentGraphs>(impl->binding, options.graph_options);
      impl->binding.set_captured_work(impl->graphs);
    }
    auto engine = detail::Access::make_shared<AotiEngine>(std::move(impl));
    if (options.lane) engine->bind(*options.lane);
    if (options.urgent) engine->set_urgent(options.urgent);
    if (options.gates) engine->set_gates(options.gates);
    warn_of_unchecked(engine->name(), engine->signature());
    return engine;
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    unpacked.remove(detail::records_in(path));
    const auto text = output.take();
    debug(text + error.what());
    throw EngineError(
        {.what = "the package '" + path + "' could not be loaded",
         .why = detail::reason_of(text, error),
         .remedy = "check that it was exported by this version of PyTorch, and that `libraries` names the libraries of "
                   "its custom operators"});
  }
}

}  // namespace greenlane
