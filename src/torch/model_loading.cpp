#include "torch/model_loading.hpp"

#include "torch/engine_calls.hpp"
#include "torch/error_output.hpp"
#include "torch/executable_stack.hpp"
#include "torch/package.hpp"
#include "torch/unpacked_folder.hpp"
#include "torch/whole_torch.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/core/log.hpp>

#include <c10/cuda/CUDAGraphsC10Utils.h>
#include <c10/cuda/CUDAGuard.h>

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <utility>
#include <vector>

namespace greenlane::detail {
namespace {

void check_options(const std::string& path, const AotiOptions& options) {
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
}

DeviceId choose_device(const std::string& path, const PackageInfo& package, const AotiOptions& options) {
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

void check_architecture(const std::string& path, const PackageInfo& package, const DeviceInfo& device) {
  if (device.id.kind != DeviceKind::cuda || package.compute_capability == 0) return;
  if (package.compute_capability / 10 == device.compute_capability / 10) return;
  throw EngineError(
      {.what = "the package '" + path + "' cannot run on " + to_string(device.id) + " (" + device.name + ")",
       .why = "its kernels are for compute capability " + std::to_string(package.compute_capability) +
              ", and this GPU has " + std::to_string(device.compute_capability),
       .remedy = "export the model on a GPU of this kind"});
}

}  // namespace

bool has_graphs(const AotiOptions& options, const Device& device) {
  return options.graphs == Graphs::resident && device.id().kind == DeviceKind::cuda;
}

LoadedModel load_model(const std::string& path, const AotiOptions& options) {
  check_options(path, options);
  auto package = read_package(path, options.model);
  const DeviceId id = choose_device(path, package, options);
  if (options.gates && options.graphs == Graphs::off && id.kind == DeviceKind::cuda) refuse_gates(options.name);
  Device device = Device::open(id);
  check_architecture(path, package, device.info());
  if (id.kind == DeviceKind::cuda) {
    load_whole_torch();
  } else {
    load_torch_for_cpu();
  }
  // AOTInductor makes the device current, and leaves it current.
  std::optional<c10::cuda::CUDAGuard> device_guard;
  std::optional<c10::cuda::CUDAStreamCaptureModeGuard> while_others_capture;
  if (id.kind == DeviceKind::cuda) {
    device_guard.emplace(static_cast<c10::DeviceIndex>(id.index));
    while_others_capture.emplace(cudaStreamCaptureModeRelaxed);
  }

  if (package.effects.has_own_streams && id.kind == DeviceKind::cuda)
    warn("engine '" + options.name + "' was exported with streams of its own (`torch.cuda.stream` inside the model): " +
         "their work leaves its lane and runs on all SMs, and it has no graphs; export the model without them, or with "
         "strict=False");

  ErrorOutput output;
  const UnpackedFolder unpacked(path);
  try {
    const auto index = static_cast<c10::DeviceIndex>(id.kind == DeviceKind::cuda ? id.index : -1);
    const bool single_threaded = options.single_threaded || has_graphs(options, device);
    const LoadablePackage loadable(
        path, refuses_executable_stacks() ? package.executable_stacks : std::vector<std::uint64_t>());
    auto calls =
        std::make_unique<ModelCalls>(loadable.path(), options.model, single_threaded, options.num_runners, index);
    ModelState state(std::move(package.effects), calls->loader());
    return {.device = std::move(device),
            .signature = std::move(package.signature),
            .metadata = std::move(package.metadata),
            .calls = std::move(calls),
            .state = std::move(state)};
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    unpacked.remove(package.records);
    const auto text = output.take();
    debug(text + error.what());
    throw EngineError(
        {.what = "the package '" + path + "' could not be loaded",
         .why = reason_of(text, error),
         .remedy = "check that it was exported by this version of PyTorch, and that `libraries` names the libraries of "
                   "its custom operators"});
  }
}

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

}  // namespace greenlane::detail
