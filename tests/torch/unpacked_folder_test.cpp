#include "torch/unpacked_folder.hpp"

#include "support/matchers.hpp"
#include "support/runtime_folder.hpp"
#include "support/torch_models.hpp"
#include "torch/package.hpp"

#include <greenlane/core/error.hpp>

#include <caffe2/serialize/inline_container.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace greenlane {
namespace {

namespace fs = std::filesystem;

const std::set<std::string> kRecords{"data/aotinductor/model/c1.wrapper.so", "data/aotinductor/model/c1.kernel.cpp"};

// Tests whose temporary files go to a folder of their own.
class UnpackedFolderTest : public ::testing::Test {
 protected:
  UnpackedFolderTest() {
    fs::create_directory(temporary());
    setenv("TMPDIR", temporary().c_str(), 1);
  }
  ~UnpackedFolderTest() override {
    if (former_) {
      setenv("TMPDIR", former_->c_str(), 1);
    } else {
      unsetenv("TMPDIR");
    }
  }

  [[nodiscard]] fs::path temporary() const { return folder_ / "tmp"; }
  [[nodiscard]] bool is_empty() const { return fs::is_empty(temporary()); }

  // Returns the affine model's package with its records changed. A record that becomes empty is left out.
  [[nodiscard]] std::string changed(
      const std::function<void(const std::string& name, std::string& bytes)>& change) const {
    const auto path = (folder_ / "changed.pt2").string();
    caffe2::serialize::PyTorchStreamReader reader(models::path_of("affine.pt2"));
    caffe2::serialize::PyTorchStreamWriter writer(path);
    for (const auto& record : reader.getAllRecords()) {
      if (record.starts_with(".data/") || record == "version" || record == "byteorder") continue;  // the writer's own
      const auto [data, size] = reader.getRecord(record);
      std::string bytes(static_cast<const char*>(data.get()), size);
      change(record, bytes);
      if (!bytes.empty()) writer.writeRecord(record, bytes.data(), bytes.size());
    }
    writer.writeEndOfFile();
    return path;
  }

  [[nodiscard]] fs::path make_package_folder(const std::string& name) const {
    const auto model = temporary() / name / "package" / "data" / "aotinductor" / "model";
    fs::create_directories(model);
    std::ofstream(model / "c1.wrapper.so") << name;
    fs::permissions(temporary() / name, fs::perms::owner_all);
    return temporary() / name;
  }

 private:
  static std::optional<std::string> environment_of(const char* name) {
    const char* value = std::getenv(name);
    return value ? std::optional<std::string>(value) : std::nullopt;
  }

  const std::optional<std::string> former_ = environment_of("TMPDIR");
  Folder folder_;

 protected:
  fs::path package_ = folder_.write("model.pt2", "a package");
};

TEST_F(UnpackedFolderTest, AFailedLoadLeavesNoFiles) {
  const auto replaces = [](const std::string& ending, const std::string& with) {
    return [=](const std::string& name, std::string& bytes) {
      if (name.ends_with(ending)) bytes = with;
    };
  };
  for (const auto& path : {std::pair(".so", ""), std::pair(".so", "no library"), std::pair("_metadata.json", "{"),
                           std::pair("_metadata.json", ""), std::pair("_metadata.json", R"({"AOTI_DEVICE_KEY": 3})")}) {
    const auto package = changed(replaces(path.first, path.second));
    for (int times = 0; times < 2; ++times) EXPECT_THROW((void)load_aoti(package), EngineError) << path.first;
    EXPECT_TRUE(is_empty()) << path.first << " = " << path.second;
  }
}

TEST_F(UnpackedFolderTest, ADestroyedEngineLeavesNoFiles) {
  {
    const auto engine = models::load("affine");
    EXPECT_FALSE(is_empty());
  }
  EXPECT_TRUE(is_empty());
}

TEST_F(UnpackedFolderTest, OnlyTheNewFolderIsRemoved) {
  const auto before = make_package_folder("before");
  const detail::UnpackedFolder unpacked(package_);
  const auto now = make_package_folder("now");
  fs::create_directories(temporary() / "other");
  fs::permissions(temporary() / "other", fs::perms::owner_all);
  fs::create_directory_symlink(before, temporary() / "link");
  unpacked.remove(kRecords);
  EXPECT_TRUE(fs::exists(before));
  EXPECT_TRUE(fs::exists(temporary() / "other"));
  EXPECT_TRUE(fs::exists(temporary() / "link"));
  EXPECT_FALSE(fs::exists(now));
}

TEST_F(UnpackedFolderTest, TwoNewFoldersAreKept) {
  const detail::UnpackedFolder unpacked(package_);
  const auto one = make_package_folder("one");
  const auto other = make_package_folder("other");
  unpacked.remove(kRecords);
  EXPECT_TRUE(fs::exists(one));
  EXPECT_TRUE(fs::exists(other));
}

TEST_F(UnpackedFolderTest, AFolderOfAnotherPackageIsKept) {
  const detail::UnpackedFolder unpacked(package_);
  const auto other = make_package_folder("other");
  std::ofstream(other / "package" / "data" / "aotinductor" / "model" / "another.wrapper.so") << "other";
  unpacked.remove(kRecords);
  EXPECT_TRUE(fs::exists(other));
}

// Another process removes a folder of its own while the package's folder is looked for. It removes the last entry
// first, so that the search meets entries that it has listed and that are gone.
TEST_F(UnpackedFolderTest, AFolderThatVanishesMeanwhileDoesNotEndTheSearch) {
  for (int round = 0; round < 5; ++round) {
    const detail::UnpackedFolder unpacked(package_);
    const auto own = make_package_folder("own");
    const auto other = temporary() / "other";
    for (int inner = 0; inner < 400; ++inner) fs::create_directories(other / std::to_string(inner));
    fs::permissions(other, fs::perms::owner_all);
    std::vector<fs::path> listed;
    for (const auto& entry : fs::directory_iterator(other)) listed.push_back(entry.path());
    {
      std::atomic<bool> has_begun{false};
      const std::jthread remover([&] {
        for (auto entry = listed.rbegin(); entry != listed.rend(); ++entry) {
          fs::remove(*entry);
          has_begun = true;
        }
        fs::remove(other);
      });
      while (!has_begun) std::this_thread::yield();
      unpacked.remove(kRecords);
    }
    ASSERT_FALSE(fs::exists(own)) << "in round " << round;
  }
}

TEST_F(UnpackedFolderTest, AnUnreadablePackageRemovesNothing) {
  const detail::UnpackedFolder unpacked(package_);
  const auto other = make_package_folder("other");
  unpacked.remove({});
  EXPECT_TRUE(fs::exists(other));
}

TEST_F(UnpackedFolderTest, AFolderIsKeptWhileAnotherProcessLoads) {
  const detail::UnpackedFolder unpacked(package_);
  const auto one = make_package_folder("one");
  const int other = ::open(package_.c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_EQ(::flock(other, LOCK_SH), 0);  // as the other process does
  unpacked.remove(kRecords);
  EXPECT_TRUE(fs::exists(one));
  ::close(other);
  unpacked.remove(kRecords);
  EXPECT_FALSE(fs::exists(one));
}

TEST_F(UnpackedFolderTest, AMappedFolderIsKept) {
  const detail::UnpackedFolder unpacked(package_);
  const auto one = make_package_folder("one");
  const auto file = one / "package" / "data" / "aotinductor" / "model" / "c1.wrapper.so";
  const auto script =
      "import mmap, sys; f = open(sys.argv[1], 'r+b'); m = mmap.mmap(f.fileno(), 0); print(flush=True); input()";
  // Returns when the other process has mapped the file.
  int to_child[2];
  int from_child[2];
  ASSERT_EQ(pipe(to_child) + pipe(from_child), 0);
  const pid_t child = fork();
  if (child == 0) {
    dup2(to_child[0], STDIN_FILENO);
    dup2(from_child[1], STDOUT_FILENO);
    for (const int end : {to_child[0], to_child[1], from_child[0], from_child[1]}) ::close(end);
    execlp("python3", "python3", "-c", script, file.c_str(), nullptr);
    _exit(127);
  }
  ::close(from_child[1]);
  char line = 0;
  EXPECT_EQ(::read(from_child[0], &line, 1), 1);
  unpacked.remove(kRecords);
  EXPECT_TRUE(fs::exists(one));
  ::close(to_child[1]);
  ::close(to_child[0]);
  waitpid(child, nullptr, 0);
  ::close(from_child[0]);
  unpacked.remove(kRecords);
  EXPECT_FALSE(fs::exists(one));
}

TEST_F(UnpackedFolderTest, AFolderReadableByOthersIsKept) {
  const detail::UnpackedFolder unpacked(package_);
  const auto one = make_package_folder("one");
  fs::permissions(one, fs::perms::owner_all | fs::perms::group_read);
  unpacked.remove(kRecords);
  EXPECT_TRUE(fs::exists(one));
}

}  // namespace
}  // namespace greenlane
