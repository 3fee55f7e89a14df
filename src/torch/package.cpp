#include "torch/package.hpp"

#include <greenlane/core/error.hpp>

#include <caffe2/serialize/inline_container.h>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>

#include <filesystem>

namespace greenlane::detail {
namespace {

// Empty where the package holds no source (it may have been stripped): nothing else in it says what the inputs must be.
Signature read_signature(const std::string& path, const std::string& model) {
  caffe2::serialize::PyTorchStreamReader reader(path);
  for (const auto& record : reader.getAllRecords()) {
    if (!record.starts_with("data/aotinductor/" + model + "/") || !record.ends_with(".wrapper.cpp")) continue;
    const auto [data, size] = reader.getRecord(record);
    return Signature::from_wrapper_source({static_cast<const char*>(data.get()), size});
  }
  return {};
}

}  // namespace

PackageInfo read_package(const std::string& path, const std::string& model) {
  const std::string what = "the package '" + path + "' could not be loaded";
  if (!std::filesystem::exists(path)) {
    throw EngineError(
        {.what = what, .why = "there is no such file", .remedy = "check the path, or export the model first"});
  }
  PackageInfo info;
  try {
    info.metadata = torch::inductor::AOTIModelPackageLoader::load_metadata_from_package(path, model);
    info.signature = read_signature(path, model);
  } catch (const std::exception& error) {
    const std::string text = error.what();
    throw EngineError({.what = what,
                       .why = "it is no AOTInductor package with a model named '" + model + "' (" +
                              text.substr(0, text.find('\n')) + ")",
                       .remedy = "write it with torch._inductor.aoti_compile_and_package"});
  }
  const auto entry = [&](const char* key) {
    const auto found = info.metadata.find(key);
    return found == info.metadata.end() ? std::string() : found->second;
  };
  const std::string device = entry("AOTI_DEVICE_KEY");
  if (device != "cpu" && device != "cuda") {
    throw EngineError({.what = what,
                       .why = "it was compiled for '" + device + "'",
                       .remedy = "greenlane runs packages for cpu and cuda: export the model for one of them"});
  }
  info.device = device == "cuda" ? DeviceKind::cuda : DeviceKind::cpu;
  info.compute_capability = static_cast<int>(std::strtol(entry("AOTI_COMPUTE_CAPABILITY").c_str(), nullptr, 10));
  return info;
}

}  // namespace greenlane::detail
