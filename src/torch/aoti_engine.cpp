#include "torch/cpu_threads.hpp"
#include "torch/package.hpp"
#include "torch/tensor_lifetimes.hpp"
#include "torch/whole_torch.hpp"

#include <greenlane/core/binding.hpp>
#include <greenlane/core/error.hpp>
#include <greenlane/torch/aoti.hpp>

#include <c10/cuda/CUDAGuard.h>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>

#include <filesystem>
#include <mutex>
#include <utility>

namespace greenlane {

using torch::inductor::AOTIModelPackageLoader;

struct AotiEngine::Impl {
  std::string name;
  Device device;
  Signature signature;
  std::unordered_map<std::string, std::string> metadata;
  StreamBinding binding;
  AOTIModelPackageLoader loader;
};

namespace {

// The first line of what AOTInductor threw; the rest is a C++ stack.
std::string first_line(const std::exception& error) {
  const std::string text = error.what();
  return text.substr(0, text.find('\n'));
}

// A thread that is new to CUDA has no current context, and cuBLAS warns of it. Within a device guard.
void make_context_current(c10::DeviceIndex index) {
  thread_local bool done = false;
  if (!std::exchange(done, true)) c10::cuda::set_device(index, /*force=*/true);
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

}  // namespace

AotiEngine::AotiEngine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
AotiEngine::~AotiEngine() = default;

const std::string& AotiEngine::name() const noexcept { return impl_->name; }
const Device& AotiEngine::device() const noexcept { return impl_->device; }
const Signature& AotiEngine::signature() const noexcept { return impl_->signature; }
const std::unordered_map<std::string, std::string>& AotiEngine::metadata() const noexcept { return impl_->metadata; }
std::vector<std::string> AotiEngine::call_spec() const { return impl_->loader.get_call_spec(); }
void AotiEngine::bind(const Lane& lane) { impl_->binding.set(lane); }
void AotiEngine::bind(StreamView stream, std::shared_ptr<const void> keep_alive) {
  impl_->binding.set(stream, std::move(keep_alive));
}
void AotiEngine::unbind() { impl_->binding.clear(); }
std::optional<Lane> AotiEngine::lane() const { return impl_->binding.lane(); }

std::vector<at::Tensor> AotiEngine::run(const std::vector<at::Tensor>& inputs) {
  const auto id = impl_->device.id();
  impl_->signature.check(inputs, id, impl_->name);
  return id.kind == DeviceKind::cuda ? run_on_cuda(inputs) : run_on_cpu(inputs);
}

std::vector<at::Tensor> AotiEngine::run_on_cpu(const std::vector<at::Tensor>& inputs) {
  const auto lane = impl_->binding.lane();
  if (!lane) return impl_->loader.run(inputs);
  std::vector<at::Tensor> outputs;
  lane->run([&] {
    if (lane->partition()) detail::use_threads(lane->units().count);
    outputs = impl_->loader.run(inputs);
  });
  return outputs;
}

std::vector<at::Tensor> AotiEngine::run_on_cuda(const std::vector<at::Tensor>& inputs) {
  const auto index = static_cast<c10::DeviceIndex>(impl_->device.id().index);
  const auto caller = c10::cuda::getCurrentCUDAStream(index);
  auto call = impl_->binding.enter(StreamView(caller.stream()));
  if (!call.crosses()) {
    // The device, which may be another than the current one.
    const c10::cuda::CUDAGuard guard(index);
    make_context_current(index);
    auto outputs = impl_->loader.run(inputs, caller.stream());
    call.finish();
    return outputs;
  }
  call.lane().value().keep_stream();
  const auto stream = c10::cuda::getStreamFromExternal(call.stream().handle(), index);
  detail::record_on(inputs, stream);
  std::vector<at::Tensor> outputs;
  {
    // The kernels take the handle; what the model allocates and its fallback operators follow the current stream.
    const c10::cuda::CUDAStreamGuard guard(stream);
    make_context_current(index);
    outputs = impl_->loader.run(inputs, stream.stream());
  }
  detail::record_on(outputs, caller);
  call.finish();
  return outputs;
}

std::shared_ptr<AotiEngine> load_aoti(const std::string& path, AotiOptions options) {
  if (options.num_runners < 1 || options.num_runners > 1024) {
    throw EngineError({.what = "the package '" + path + "' cannot be loaded with num_runners = " +
                               std::to_string(static_cast<std::int64_t>(options.num_runners)),
                       .why = "each runner is a copy of the model's state for one call at a time",
                       .remedy = "use as many as there are calls at once: 1 or a few"});
  }
  static std::mutex loading;
  const std::scoped_lock lock(loading);

  auto package = detail::read_package(path, options.model);
  const DeviceId id = choose_device(path, package, options);
  const Device device = Device::open(id);
  check_architecture(path, package, device.info());
  detail::load_whole_torch();
  if (options.name.empty()) options.name = std::filesystem::path(path).stem().string();

  try {
    const auto index = static_cast<c10::DeviceIndex>(id.kind == DeviceKind::cuda ? id.index : -1);
    std::unique_ptr<AotiEngine::Impl> impl(new AotiEngine::Impl{
        .name = options.name,
        .device = device,
        .signature = std::move(package.signature),
        .metadata = std::move(package.metadata),
        .binding = StreamBinding(device, options.name),
        .loader = AOTIModelPackageLoader(path, options.model, options.single_threaded, options.num_runners, index)});
    std::shared_ptr<AotiEngine> engine(new AotiEngine(std::move(impl)));
    if (options.lane) engine->bind(*options.lane);
    return engine;
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    throw EngineError(
        {.what = "the package '" + path + "' could not be loaded",
         .why = first_line(error),
         .remedy = "check that it was exported by this version of PyTorch, and that `libraries` names the libraries of "
                   "its custom operators"});
  }
}

}  // namespace greenlane
