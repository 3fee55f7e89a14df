#include "torch/package.hpp"

#include "core/named_file.hpp"
#include "text/first_line.hpp"
#include "torch/executable_stack.hpp"
#include "torch/unpacked_folder.hpp"

#include <greenlane/core/error.hpp>

#include <caffe2/serialize/inline_container.h>
#include <sys/stat.h>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <string_view>
#include <vector>

namespace greenlane::detail {
namespace {

constexpr std::string_view kModels = "data/aotinductor/";

// A package, opened and listed once.
class Archive {
 public:
  // Throws: PyTorch's exception for a file that is no archive.
  explicit Archive(const std::string& path) : reader_(path), records_(reader_.getAllRecords()) {}
  [[nodiscard]] const std::vector<std::string>& records() const noexcept { return records_; }
  // Returns the text of the first record of a model with this ending; empty if there is none.
  [[nodiscard]] std::string text_of(const std::string& model, std::string_view ending) {
    const std::string record = record_of(model, ending);
    if (record.empty()) return {};
    const auto [data, size] = reader_.getRecord(record);
    return {static_cast<const char*>(data.get()), size};
  }
  // Returns the contents of all records of a model with this ending.
  [[nodiscard]] std::vector<std::string> all_of(const std::string& model, std::string_view ending) {
    std::vector<std::string> all;
    const auto folder = std::string(kModels) + model + "/";
    for (const auto& record : records_) {
      if (!record.starts_with(folder) || !record.ends_with(ending)) continue;
      const auto [data, size] = reader_.getRecord(record);
      all.emplace_back(static_cast<const char*>(data.get()), size);
    }
    return all;
  }
  // Returns where the model's library begins in the file; absent if there is none.
  [[nodiscard]] std::optional<std::uint64_t> library_of(const std::string& model) {
    const std::string record = record_of(model, ".so");
    return record.empty() ? std::nullopt : std::optional<std::uint64_t>(reader_.getRecordOffset(record));
  }

 private:
  [[nodiscard]] std::string record_of(const std::string& model, std::string_view ending) const {
    const auto folder = std::string(kModels) + model + "/";
    const auto record = std::ranges::find_if(
        records_, [&](const auto& each) { return each.starts_with(folder) && each.ends_with(ending); });
    return record == records_.end() ? std::string() : *record;
  }

  caffe2::serialize::PyTorchStreamReader reader_;
  std::vector<std::string> records_;
};

// Returns whether a record's path stays inside the folder. PyTorch appends it to its temporary folder unchecked.
bool stays_inside(const std::string& record) {
  if (record.starts_with('/')) return false;
  const std::filesystem::path path(record);
  return std::ranges::none_of(path, [](const auto& part) { return part == ".."; });
}

// Checks all paths in the package. Call it before PyTorch unpacks the package.
// Throws: EngineError.
void check_records(const std::vector<std::string>& records, const std::string& what) {
  for (const auto& record : records) {
    if (stays_inside(record)) continue;
    throw EngineError(
        {.what = what,
         .why = "its entry '" + record + "' would be written outside of the folder that it is unpacked to",
         .remedy = "the package is malicious or damaged: export the model again"});
  }
}

// Reads signature and effects from the wrapper's source. Without a source (it may have been stripped) both stay
// unknown.
void read_source(Archive& archive, const std::string& model, PackageInfo& info) {
  const auto source = archive.text_of(model, ".wrapper.cpp");
  if (source.empty()) return;
  info.signature = Signature::from_wrapper_source(source);
  info.effects = effects_of_source(source, info.signature.count().value_or(0), archive.text_of(model, ".wrapper.json"));
}

// Returns the sorted names of the models in the package; empty if it is no package.
std::set<std::string> models_in(const std::set<std::string>& records) {
  std::set<std::string> models;
  for (const auto& record : records) {
    const auto end = record.find('/', kModels.size());
    if (record.starts_with(kModels) && end != std::string::npos)
      models.insert(record.substr(kModels.size(), end - kModels.size()));
  }
  return models;
}

[[noreturn]] void fail_to_read(const std::string& path, const std::set<std::string>& models, const std::string& model,
                               const std::string& what, std::string_view reason) {
  if (!models.empty() && !models.contains(model)) {
    std::string all;
    for (const auto& each : models) all += (all.empty() ? "'" : ", '") + each + "'";
    throw EngineError({.what = what,
                       .why = "it holds no model named '" + model + "', but " + all,
                       .remedy = "choose one of these with `model`"});
  }
  // PyTorch unpacks the package there.
  std::error_code error;
  const auto bytes = std::filesystem::file_size(path, error);
  if (const auto why = why_no_temporary_files(error ? 0 : bytes); !why.empty())
    throw EngineError({.what = what, .why = why, .remedy = "set TMPDIR to a folder that is yours and has room"});
  throw EngineError(
      {.what = what,
       .why = "it is no AOTInductor package with a model named '" + model + "' (" + text::first_line(reason) + ")",
       .remedy = "write it with torch._inductor.aoti_compile_and_package"});
}

}  // namespace

FileIdentity identity_of(const std::string& path) {
  struct stat file{};
  if (::stat(path.c_str(), &file) != 0) return {};
  return {.values = {static_cast<std::int64_t>(file.st_dev), static_cast<std::int64_t>(file.st_ino), file.st_size,
                     file.st_mtim.tv_sec, file.st_mtim.tv_nsec}};
}

std::vector<std::string> read_kernels(const std::string& path, const std::string& model, const FileIdentity& identity) {
  auto kernels = identity_of(path) == identity ? Archive(path).all_of(model, ".cubin") : std::vector<std::string>();
  if (identity_of(path) == identity) return kernels;
  throw EngineError({.what = "the kernels of '" + path + "' could not be read",
                     .why = "the file has changed since it was loaded",
                     .remedy = "load it again"});
}

PackageInfo read_package(const std::string& path, const std::string& model) {
  const std::string what = "the package '" + path + "' could not be loaded";
  const auto unreadable = why_unreadable(path);
  if (!unreadable.empty())
    throw EngineError({.what = what, .why = unreadable, .remedy = "check the path, or export the model first"});
  PackageInfo info;
  const UnpackedFolder unpacked(path);
  try {
    Archive archive(path);
    info.records = {archive.records().begin(), archive.records().end()};
    check_records(archive.records(), what);
    // PyTorch takes names that no model has, such as "", for beginnings of names.
    if (const auto models = models_in(info.records); !models.empty() && !models.contains(model))
      fail_to_read(path, models, model, what, "");
    info.metadata = torch::inductor::AOTIModelPackageLoader::load_metadata_from_package(path, model);
    read_source(archive, model, info);
    if (const auto library = archive.library_of(model)) info.executable_stacks = executable_stack_flags(path, *library);
  } catch (const EngineError&) {
    throw;
  } catch (const std::exception& error) {
    unpacked.remove(info.records);
    fail_to_read(path, models_in(info.records), model, what, error.what());
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
