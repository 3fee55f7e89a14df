// Files of tensors, and their pickles.
#include "fuzz/target.hpp"
#include "torch/pickle_reader.hpp"
#include "torch/tensor_file.hpp"

#include <ATen/ATen.h>
#include <caffe2/serialize/inline_container.h>

#include <exception>
#include <vector>

namespace greenlane::fuzz {
namespace {

// A type for sums of products of 64-bit numbers.
__extension__ using Wide = __int128;

// Checks that every element of the tensor lies in the tensor's memory.
void require_inside(const at::Tensor& tensor) {
  if (tensor.numel() == 0) return;
  Wide last = tensor.storage_offset();
  for (std::int64_t i = 0; i < tensor.dim(); ++i) last += static_cast<Wide>(tensor.size(i) - 1) * tensor.stride(i);
  const auto item = static_cast<Wide>(tensor.element_size());
  require(last >= 0 && (last + 1) * item <= static_cast<Wide>(tensor.storage().nbytes()),
          "a tensor lies in its storage");
  require(tensor.storage().data() != nullptr, "a storage has memory");
  // Reads the first and the last byte, which the sanitizer checks.
  const auto* bytes = static_cast<const volatile unsigned char*>(tensor.storage().data());
  (void)bytes[static_cast<std::size_t>(tensor.storage_offset() * static_cast<std::int64_t>(item))];
  (void)bytes[static_cast<std::size_t>((last + 1) * item - 1)];
}

void read_file(const std::string& path) {
  try {
    for (const auto& tensor : detail::read_tensor_file(path)) require_inside(tensor);
  } catch (const Broken&) {
    throw;
  } catch (const std::exception& error) {
    require(*error.what() != 0, "a message is not empty");
  }
}

std::string archive_with(std::string_view pickle) {
  std::string archive;
  caffe2::serialize::PyTorchStreamWriter writer([&](const void* bytes, std::size_t size) {
    archive.append(static_cast<const char*>(bytes), size);
    return size;
  });
  writer.writeRecord("data.pkl", pickle.data(), pickle.size());
  const std::string storage(256, 'x');
  for (const auto* name : {"data/0", "data/1", "data/2"}) writer.writeRecord(name, storage.data(), storage.size());
  writer.writeEndOfFile();
  return archive;
}

}  // namespace

void read_pickle(std::string_view input) {
  try {
    const detail::PickleTree tree(input);
    std::vector<detail::PickleValue> left{tree.root()};
    for (int steps = 0; !left.empty() && steps < 100'000; ++steps) {
      const auto value = left.back();
      left.pop_back();
      (void)tree.describe(value);
      for (const auto& item : tree.items(value)) left.push_back(item);
    }
  } catch (const std::runtime_error& error) {
    require(*error.what() != 0, "a message is not empty");
  }
}

void read_tensors(std::string_view input) { read_file(path_with(archive_with(input))); }

void read_archive(std::string_view input) { read_file(path_with(input)); }

}  // namespace greenlane::fuzz
