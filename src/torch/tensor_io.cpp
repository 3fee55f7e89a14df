#include "core/named_file.hpp"
#include "torch/whole_torch.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/torch/tensor_io.hpp>

#include <ATen/ATen.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <dlfcn.h>
#include <torch/csrc/jit/serialization/pickle.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace greenlane {
namespace {

const char* const kHowToSave = "write a list of tensors with torch.save([...], path)";

std::vector<at::Tensor> tensors_of(const c10::IValue& value, const std::string& path) {
  if (value.isTensorList()) return value.toTensorVector();
  std::vector<at::Tensor> tensors;
  const auto take = [&](const auto& elements) {
    for (const c10::IValue& element : elements) {
      if (!element.isTensor()) {
        throw ConfigError({.what = "'" + path + "' is no list of tensors",
                           .why = "it holds a " + element.tagKind(),
                           .remedy = kHowToSave});
      }
      tensors.push_back(element.toTensor());
    }
  };
  if (value.isList()) {
    take(value.toListRef());
  } else if (value.isTuple()) {
    take(value.toTupleRef().elements());
  } else {
    throw ConfigError(
        {.what = "'" + path + "' is no list of tensors", .why = "it holds a " + value.tagKind(), .remedy = kHowToSave});
  }
  return tensors;
}

double tolerance_of(at::ScalarType dtype) {
  if (at::isIntegralType(dtype, /*includeBool=*/true)) return 0;
  return dtype == at::kHalf || dtype == at::kBFloat16 ? 2e-2 : 1e-3;
}

}  // namespace

std::vector<at::Tensor> load_tensors(const std::string& path) {
  std::vector<char> bytes;
  // A folder can be opened too, and throws when it is read.
  auto why = detail::why_unreadable(path);
  if (why.empty()) {
    std::ifstream file(path, std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(file), {});
    if (bytes.empty()) why = "it is empty";
  }
  if (!why.empty())
    throw ConfigError({.what = "the tensors in '" + path + "' could not be read", .why = why, .remedy = kHowToSave});
  c10::IValue value;
  try {
    value = torch::jit::pickle_load(bytes);
  } catch (const std::exception& error) {
    const std::string text = error.what();
    throw ConfigError({.what = "the tensors in '" + path + "' could not be read",
                       .why = text.substr(0, text.find('\n')),
                       .remedy = kHowToSave});
  }
  return tensors_of(value, path);
}

std::vector<at::Tensor> to_device(const std::vector<at::Tensor>& tensors, DeviceId device) {
  const bool cuda = device.kind == DeviceKind::cuda;
  if (cuda) detail::load_whole_torch();
  const auto target = cuda ? at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(device.index)) : at::Device(at::kCPU);
  std::vector<at::Tensor> moved;
  for (const auto& tensor : tensors) moved.push_back(tensor.to(target));
  return moved;
}

void load_operator_library(const std::string& path) {
  if (dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL)) return;
  throw ConfigError({.what = "the operator library '" + path + "' could not be loaded",
                     .why = dlerror(),
                     .remedy = "check the path under `libraries`"});
}

std::string difference(const std::vector<at::Tensor>& actual, const std::vector<at::Tensor>& expected) {
  if (actual.size() != expected.size()) {
    return std::to_string(actual.size()) + " outputs instead of " + std::to_string(expected.size());
  }
  for (std::size_t i = 0; i < actual.size(); ++i) {
    const at::Tensor got = actual[i].cpu();
    const at::Tensor want = expected[i].cpu();
    const std::string output = "output " + std::to_string(i);
    if (got.sizes() != want.sizes()) return output + " has another shape than the expected one";
    if (got.scalar_type() != want.scalar_type()) return output + " has another dtype than the expected one";
    const double tolerance = tolerance_of(got.scalar_type());
    if (at::allclose(got.to(at::kDouble), want.to(at::kDouble), tolerance, tolerance)) continue;
    const auto worst = (got.to(at::kDouble) - want.to(at::kDouble)).abs().max().item<double>();
    return output + " differs by up to " + std::to_string(worst);
  }
  return {};
}

void release_unused_memory(DeviceId device) {
  if (device.kind == DeviceKind::cuda) c10::cuda::CUDACachingAllocator::emptyCache();
}

std::uint64_t allocator_bytes(DeviceId device) {
  if (device.kind != DeviceKind::cuda) return 0;
  const auto stats = c10::cuda::CUDACachingAllocator::getDeviceStats(static_cast<c10::DeviceIndex>(device.index));
  return static_cast<std::uint64_t>(stats.reserved_bytes[0].current);
}

}  // namespace greenlane
