// Files that load_tensors() reads, and files that were made to do harm.
#include "support/matchers.hpp"
#include "support/runtime_folder.hpp"
#include "support/torch_models.hpp"

#include <greenlane/core/error.hpp>

#include <ATen/ATen.h>
#include <caffe2/serialize/inline_container.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/serialization/pickle.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <random>

namespace greenlane {
namespace {

using models::path_of;

constexpr std::int64_t kHuge = std::numeric_limits<std::int64_t>::max();

std::string in_temporary(const std::string& name) {
  static const Folder folder;
  return (folder / name).string();
}

// Returns a file as torch.save writes it, with 16 bytes in its one storage.
std::string saved(const std::string& pickle, const std::string& byteorder = "little") {
  auto path = in_temporary("made.pt");
  caffe2::serialize::PyTorchStreamWriter writer(path);
  const std::string storage(16, '\0');
  writer.writeRecord("data.pkl", pickle.data(), pickle.size());
  writer.writeRecord("byteorder", byteorder.data(), byteorder.size());
  writer.writeRecord("data/0", storage.data(), storage.size());
  writer.writeEndOfFile();
  return path;
}

std::string little(std::int64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text.push_back(static_cast<char>(value >> (8 * i)));
  return text;
}
std::string number(std::int64_t value) { return std::string("\x8a\x08") + little(value, 8); }
std::string text(const std::string& value) {
  return std::string("X") + little(static_cast<std::int64_t>(value.size()), 4) + value;
}
std::string tuple(const std::vector<std::int64_t>& values) {
  std::string made = "(";
  for (const auto value : values) made += number(value);
  return made + "t";
}

struct Tensor {
  std::int64_t elements = 4;
  std::int64_t offset = 0;
  std::vector<std::int64_t> sizes{4};
  std::vector<std::int64_t> strides{1};
  std::string storage = "torch\nFloatStorage";
  std::string key = "0";
  std::string device = "cpu";
};

std::string list_of(const Tensor& tensor) {
  return "\x80\x02]ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") + "c" + tensor.storage + "\n" +
         text(tensor.key) + text(tensor.device) + number(tensor.elements) + "tQ" + number(tensor.offset) +
         tuple(tensor.sizes) + tuple(tensor.strides) + "\x89}tRa.";
}

TEST(TensorFile, EveryDtypeIsRead) {
  const auto tensors = load_tensors(path_of("dtypes.pt"));
  std::vector<at::ScalarType> dtypes;
  for (const auto& tensor : tensors) {
    dtypes.push_back(tensor.scalar_type());
    EXPECT_TRUE(at::equal(tensor.view(at::kByte), at::arange(16, at::kByte))) << tensor.scalar_type();
  }
  for (const auto dtype : {at::kFloat8_e4m3fn,
                           at::kFloat8_e4m3fnuz,
                           at::kFloat8_e5m2,
                           at::kFloat8_e5m2fnuz,
                           at::kFloat8_e8m0fnu,
                           at::kUInt16,
                           at::kUInt32,
                           at::kUInt64,
                           at::kBool,
                           at::kHalf,
                           at::kBFloat16,
                           at::kFloat,
                           at::kDouble,
                           at::kByte,
                           at::kChar,
                           at::kShort,
                           at::kInt,
                           at::kLong,
                           at::kComplexHalf,
                           at::kComplexFloat,
                           at::kComplexDouble}) {
    EXPECT_EQ(std::ranges::count(dtypes, dtype), 1) << dtype;
  }
}

TEST(TensorFile, ViewsAreReadFromEveryProtocol) {
  const auto x = at::arange(6, at::kFloat).reshape({2, 3});
  for (const auto* protocol : {"2", "3", "4", "5"}) {
    const auto tensors = load_tensors(path_of(std::string("views_") + protocol + ".pt"));
    ASSERT_EQ(tensors.size(), 8U);
    const std::vector<at::Tensor> expected{
        x, x[1], x.t(), at::ones({4}), at::empty({0, 3}), at::full({}, 7.0F), at::complex(x, -x), x};
    EXPECT_EQ(difference(tensors, expected), "");
    EXPECT_EQ(tensors[2].strides(), (at::IntArrayRef{1, 3}));
    EXPECT_EQ(tensors[3].strides(), (at::IntArrayRef{0}));
    EXPECT_EQ(tensors[0].storage().data(), tensors[1].storage().data());
    EXPECT_TRUE(tensors[7].requires_grad());
    EXPECT_FALSE(tensors[0].requires_grad());
  }
}

TEST(TensorFile, AFileSavedByCppIsRead) {
  const c10::List<at::Tensor> list({at::ones({2}), at::arange(3)});
  const auto bytes = torch::jit::pickle_save(list);
  const auto path = in_temporary("cpp.pt");
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  EXPECT_EQ(difference(load_tensors(path), {at::ones({2}), at::arange(3)}), "");
}

TEST(TensorFile, ARefusalNamesTheContents) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"dict.pt", "it holds a dict"},
      {"ordered_dict.pt", "it holds an object of 'collections.OrderedDict'"},
      {"bare.pt", "it holds a tensor"},
      {"mixed.pt", "it holds a list with a text"},
      {"nested.pt", "it holds a list with a list"},
      {"code.pt", "it holds a list with an object of 'posix.mkdir'"},
  };
  for (const auto& [file, why] : cases) {
    EXPECT_THAT([&] { (void)load_tensors(path_of(file)); },
                refuses<ConfigError>(path_of(file), "no list of tensors: " + why, "torch.save([...], path)"));
  }
}

TEST(TensorFile, TensorsInsideTheirStorageAreRead) {
  EXPECT_EQ(load_tensors(saved(list_of({}))).at(0).sizes(), (at::IntArrayRef{4}));
  EXPECT_EQ(load_tensors(saved(list_of({.offset = 3, .sizes = {1}, .strides = {9}}))).at(0).numel(), 1);
  EXPECT_EQ(load_tensors(saved(list_of({.elements = 0, .sizes = {0}}))).at(0).numel(), 0);
}

TEST(TensorFile, TensorsOutsideTheirStorageAreRefused) {
  const std::vector<std::pair<Tensor, std::string>> cases{
      {{.strides = {-1}}, "below 0"},
      {{.offset = -1}, "below 0"},
      {{.sizes = {-4}}, "below 0"},
      {{.elements = -4}, "below 0"},
      {{.offset = 1}, "larger than its storage"},
      {{.offset = kHuge}, "larger than its storage"},
      {{.sizes = {5}}, "larger than its storage"},
      {{.sizes = {2, 2}, .strides = {4, 1}}, "larger than its storage"},
      {{.sizes = {2, 2}}, "larger than its storage"},
      {{.sizes = {kHuge}}, "larger than its storage"},
      {{.sizes = {kHuge, kHuge}, .strides = {0, 0}}, "larger than its storage"},
      {{.sizes = {2}, .strides = {kHuge}}, "larger than its storage"},
      {{.sizes = std::vector<std::int64_t>(65, 1), .strides = std::vector<std::int64_t>(65, 1)}, "malformed shape"},
      {{.elements = 5}, "cut off"},
      {{.elements = std::int64_t{1} << 60}, "cut off"},
      {{.elements = kHuge}, "too large"},
      {{.storage = "torch\nNoStorage"}, "unknown dtype"},
      {{.key = "1"}, "data/1"},
      {{.key = "../data.pkl"}, "data/../data.pkl"},
      {{.device = "meta"}, "the device 'meta'"},
  };
  for (const auto& [tensor, why] : cases) {
    const auto path = saved(list_of(tensor));
    EXPECT_THAT([&] { (void)load_tensors(path); }, refuses<ConfigError>(path, "could not be read", why));
  }
}

TEST(TensorFile, ATensorOfAnAbsentGpuIsReadOnTheCpu) {
  EXPECT_TRUE(load_tensors(saved(list_of({.device = "cuda:99"}))).at(0).is_cpu());
}

TEST(TensorFile, DeepNestingIsRefused) {
  constexpr std::size_t kDepth = 1'000'000;
  const auto deep = "\x80\x02" + std::string(kDepth, ']') + std::string(kDepth - 1, 'a') + ".";
  EXPECT_THAT([&] { (void)load_tensors(saved(deep)); }, refuses<ConfigError>("it holds a list with a list"));
  const auto deeper = "\x80\x02" + std::string(3 * kDepth, ']') + std::string(3 * kDepth - 1, 'a') + ".";
  EXPECT_THAT([&] { (void)load_tensors(saved(deeper)); }, refuses<ConfigError>("too large"));
  // Tuples that refer to tuples: 2 to the power of 100,000 leaves.
  std::string wide = "\x80\x02)q";
  wide.push_back('\0');
  for (std::size_t i = 0; i < 100'000; ++i) wide += std::string("h\0h\0\x86q\0", 7);
  EXPECT_THAT([&] { (void)load_tensors(saved(wide + ".")); }, refuses<ConfigError>("it holds a list with a tuple"));
}

TEST(TensorFile, MalformedPicklesAreRefused) {
  for (const std::string pickle : {"",
                                   ".",
                                   "]",
                                   "]a.",
                                   "a.",
                                   "e.",
                                   "t.",
                                   "R.",
                                   "Q.",
                                   "0.",
                                   "b.",
                                   "(]e(.",
                                   "h\x01.",
                                   "j\x01",
                                   "q\x01.",
                                   "Na.",
                                   "NNs.",
                                   "cos\nsystem",
                                   "X\xff\xff\xff\xff"
                                   "a.",
                                   "\x8a\x09"
                                   "123456789.",
                                   "\x8e\xff\xff\xff\xff\xff\xff\xff\xff"
                                   "a.",
                                   "\x93.",
                                   "]]R.",
                                   "S'x'\n."}) {
    EXPECT_THAT([&] { (void)load_tensors(saved(pickle)); }, ::testing::Throws<ConfigError>()) << pickle;
  }
}

TEST(TensorFile, AnotherByteOrderIsRefused) {
  EXPECT_THAT([] { (void)load_tensors(saved(list_of({}), "big")); }, refuses<ConfigError>("another order of bytes"));
}

// Replaces or cuts off bytes of a good file, with a fixed seed. The result is a message or other numbers.
TEST(TensorFile, ChangedFilesAreReadOrRefused) {
  std::mt19937 random(31);
  for (const auto* file : {"views_2.pt", "views_4.pt", "dtypes.pt"}) {
    std::ifstream whole(path_of(file), std::ios::binary);
    const std::string bytes(std::istreambuf_iterator<char>(whole), {});
    for (int i = 0; i < 300; ++i) {
      auto changed = bytes;
      for (unsigned n = random() % 4; n < 4; ++n) changed[random() % changed.size()] = static_cast<char>(random());
      if (i % 5 == 0) changed.resize(random() % changed.size());
      const auto path = in_temporary("changed.pt");
      std::ofstream(path, std::ios::binary) << changed;
      try {
        for (const auto& tensor : load_tensors(path)) (void)tensor.clone();
      } catch (const ConfigError& error) {
        EXPECT_THAT(error.what(), ::testing::HasSubstr(path));
      }
    }
  }
}

}  // namespace
}  // namespace greenlane
