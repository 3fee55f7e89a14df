#include "torch/package.hpp"

#include "support/matchers.hpp"
#include "support/runtime_folder.hpp"
#include "support/torch_models.hpp"

#include <greenlane/core/error.hpp>

#include <caffe2/serialize/inline_container.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

namespace greenlane {
namespace {

// Returns the affine model's package with one entry more.
std::string with_entry(const std::string& entry) {
  static const Folder folder;
  const auto path = (folder / "affine.pt2").string();
  caffe2::serialize::PyTorchStreamReader reader(models::path_of("affine.pt2"));
  caffe2::serialize::PyTorchStreamWriter writer(path);
  for (const auto& record : reader.getAllRecords()) {
    if (record.starts_with(".data/") || record == "version" || record == "byteorder") continue;  // the writer's own
    const auto [data, size] = reader.getRecord(record);
    writer.writeRecord(record, data.get(), size);
  }
  writer.writeRecord(entry, "x", 1);
  writer.writeEndOfFile();
  return path;
}

TEST(Package, AnEntryOutsideTheTemporaryFolderIsRefused) {
  const auto evidence = std::filesystem::temp_directory_path() / ("greenlane_slipped." + std::to_string(getpid()));
  std::filesystem::remove(evidence);
  const std::string up = "data/aotinductor/model/../../../../../../../../../..";
  for (const auto& entry : {up + evidence.string(), std::string("data/aotinductor/model/.."), evidence.string()}) {
    const auto path = with_entry(entry);
    EXPECT_THAT([&] { (void)detail::read_package(path, "model"); },
                refuses<EngineError>(path, entry, "outside of the folder", "export the model again"));
    EXPECT_THAT([&] { (void)load_aoti(path); }, refuses<EngineError>(entry));
    EXPECT_FALSE(std::filesystem::exists(evidence));
  }
}

TEST(Package, EntriesWithDotsInTheirNamesAreRead) {
  EXPECT_EQ(detail::read_package(with_entry("data/aotinductor/model/a..b/...c"), "model").device, DeviceKind::cpu);
}

TEST(Package, APrefixOfAModelNameIsRefused) {
  for (const std::string name : {"", "mod", "model/", "another"}) {
    EXPECT_THAT([&] { (void)load_aoti(models::path_of("affine.pt2"), {.model = name}); },
                refuses<EngineError>("no model named '" + name + "'", "'model'"));
  }
}

TEST(Package, KernelsAreThoseOfTheModel) {
  const auto kernels_of = [](const std::string& path) {
    return detail::read_kernels(path, "model", detail::identity_of(path));
  };
  EXPECT_EQ(kernels_of(with_entry("data/aotinductor/model/abc.cubin")), std::vector<std::string>{"x"});
  EXPECT_TRUE(kernels_of(with_entry("data/aotinductor/other/abc.cubin")).empty());
}

TEST(Package, KernelsOfAnotherFileThatTookItsPlaceAreNotRead) {
  const auto path = with_entry("data/aotinductor/model/abc.cubin");
  const auto loaded = detail::identity_of(path);
  std::filesystem::last_write_time(path, std::filesystem::last_write_time(path) + std::chrono::seconds(1));
  EXPECT_THAT([&] { (void)detail::read_kernels(path, "model", loaded); },
              refuses<EngineError>(path, "has changed since it was loaded", "load it again"));
  std::filesystem::remove(path);
  EXPECT_THAT([&] { (void)detail::read_kernels(path, "model", loaded); }, refuses<EngineError>("has changed"));
}

}  // namespace
}  // namespace greenlane
