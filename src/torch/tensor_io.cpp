#include "core/named_file.hpp"
#include "text/first_line.hpp"
#include "torch/tensor_difference.hpp"
#include "torch/tensor_file.hpp"
#include "torch/whole_torch.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/torch/tensor_io.hpp>

#include <ATen/ATen.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <dlfcn.h>

#include <filesystem>
#include <system_error>

namespace greenlane {
namespace {

const char* const kHowToSave = "write a list of tensors with torch.save([...], path)";

}  // namespace

std::vector<at::Tensor> load_tensors(const std::string& path) {
  const auto cannot = [&](const std::string& why) {
    return ConfigError({.what = "the tensors in '" + path + "' could not be read", .why = why, .remedy = kHowToSave});
  };
  // A folder can be opened too, and throws when it is read.
  if (const auto why = detail::why_unreadable(path); !why.empty()) throw cannot(why);
  // Reading a pipe would wait.
  std::error_code none;
  if (!std::filesystem::is_regular_file(path, none)) throw cannot("it is no regular file");
  if (std::filesystem::file_size(path, none) == 0) throw cannot("it is empty");
  try {
    return detail::read_tensor_file(path);
  } catch (const detail::NoListOfTensors& error) {
    throw ConfigError({.what = "'" + path + "' is no list of tensors", .why = error.what(), .remedy = kHowToSave});
  } catch (const std::exception& error) {
    const std::string text = error.what();
    throw cannot(text::first_line(text));
  }
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
    const auto found = detail::difference_of(actual[i], expected[i]);
    if (!found.empty()) return "output " + std::to_string(i) + " " + found;
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
