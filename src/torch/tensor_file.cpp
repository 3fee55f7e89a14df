#include "torch/tensor_file.hpp"

#include "torch/pickle_reader.hpp"
#include "torch/whole_torch.hpp"

#include <ATen/ATen.h>
#include <c10/cuda/CUDAFunctions.h>
#include <caffe2/serialize/inline_container.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <tuple>
#include <utility>

namespace greenlane::detail {
namespace {

// A tensor takes about a hundred bytes of the pickle.
constexpr std::size_t kLargestPickle = std::size_t{4} << 20U;
constexpr std::size_t kMostDimensions = 64;
constexpr std::string_view kTorch = "torch.";

[[noreturn]] void refuse_file(const std::string& why) { throw std::runtime_error(why); }

using Arguments = std::span<const PickleValue>;

// Returns the dtype of a storage class; PyTorch had one class for each dtype before storages became bytes.
std::optional<at::ScalarType> dtype_of_storage(std::string_view name) {
  static constexpr std::array<std::pair<std::string_view, at::ScalarType>, 12> kNames{{
      {"torch.FloatStorage", at::kFloat},
      {"torch.DoubleStorage", at::kDouble},
      {"torch.HalfStorage", at::kHalf},
      {"torch.BFloat16Storage", at::kBFloat16},
      {"torch.LongStorage", at::kLong},
      {"torch.IntStorage", at::kInt},
      {"torch.ShortStorage", at::kShort},
      {"torch.CharStorage", at::kChar},
      {"torch.ByteStorage", at::kByte},
      {"torch.BoolStorage", at::kBool},
      {"torch.ComplexFloatStorage", at::kComplexFloat},
      {"torch.ComplexDoubleStorage", at::kComplexDouble},
  }};
  for (const auto& [known, dtype] : kNames) {
    if (known == name) return dtype;
  }
  return std::nullopt;
}

std::optional<at::ScalarType> dtype_of_name(std::string_view name) {
  if (!name.starts_with(kTorch)) return std::nullopt;
  const auto& known = c10::getStringToDtypeMap();
  const auto found = known.find(std::string(name.substr(kTorch.size())));
  if (found == known.end() || at::isQIntType(found->second) || found->second == at::ScalarType::Undefined) {
    return std::nullopt;
  }
  return found->second;
}

// A tensor's position in its storage. It is checked against the storage's size before the tensor is made.
struct Geometry {
  std::int64_t offset = 0;
  std::vector<std::int64_t> sizes;
  std::vector<std::int64_t> strides;

  [[nodiscard]] bool fits(std::uint64_t storage_bytes, std::uint64_t item) const {
    std::int64_t elements = 1;
    std::int64_t last = offset;
    bool empty = false;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      empty = empty || sizes[i] == 0;
      std::int64_t reach = 0;
      if (__builtin_mul_overflow(elements, std::max<std::int64_t>(sizes[i], 1), &elements)) return false;
      if (__builtin_mul_overflow(std::max<std::int64_t>(sizes[i] - 1, 0), strides[i], &reach)) return false;
      if (__builtin_add_overflow(last, reach, &last)) return false;
    }
    std::int64_t bytes = 0;
    if (__builtin_mul_overflow(elements, static_cast<std::int64_t>(item), &bytes)) return false;
    return empty || static_cast<std::uint64_t>(last) < storage_bytes / item;
  }
};

class TensorFile {
 public:
  explicit TensorFile(const std::string& path) : reader_(path), pickle_(description()), tree_(pickle_) {
    if (reader_.hasRecord("byteorder") && record("byteorder") == "big") {
      refuse_file("it was saved on a machine with another order of bytes");
    }
  }

  std::vector<at::Tensor> tensors() {
    PickleValue list = tree_.root();
    // C++ saves a list together with its type.
    if (list.kind == PickleKind::call && tree_.items(list)[0].text.starts_with("torch.jit._pickle.")) {
      const auto arguments = arguments_of(list);
      if (!arguments.empty()) list = arguments.front();
    }
    if (list.kind != PickleKind::list && list.kind != PickleKind::tuple) {
      throw NoListOfTensors("it holds " + name_of(list));
    }
    std::vector<at::Tensor> found;
    for (const auto& each : tree_.items(list)) {
      auto made = tensor(each);
      if (!made) throw NoListOfTensors("it holds a list with " + name_of(each));
      found.push_back(*std::move(made));
    }
    return found;
  }

 private:
  std::string record(const std::string& name) {
    const auto [data, size] = reader_.getRecord(name);
    return {static_cast<const char*>(data.get()), size};
  }

  std::string description() {
    if (reader_.getRecordSize("data.pkl") > kLargestPickle)
      refuse_file("its pickle is too large for a list of tensors");
    return record("data.pkl");
  }

  std::string name_of(const PickleValue& value) {
    try {
      if (tensor(value)) return "a tensor";
    } catch (const std::exception&) {
      return "a tensor";  // a tensor with an error in it
    }
    return tree_.describe(value);
  }

  // Returns the arguments of a call.
  Arguments arguments_of(const PickleValue& call) { return tree_.items(tree_.items(call)[1]); }

  // Makes the tensor that a value describes; absent if it describes none.
  std::optional<at::Tensor> tensor(PickleValue value) {
    std::optional<bool> requires_grad;
    if (is_call_of(value, "torch._utils._rebuild_parameter")) {
      const auto arguments = arguments_of(value);
      if (arguments.size() < 2) refuse_file("a parameter in it is malformed");
      value = arguments[0];
      requires_grad = arguments[1].number != 0;
    }
    std::size_t dtype_at = 0;
    if (is_call_of(value, "torch._utils._rebuild_tensor_v3")) {
      dtype_at = 6;
    } else if (!is_call_of(value, "torch._utils._rebuild_tensor_v2")) {
      return std::nullopt;
    }
    const auto arguments = arguments_of(value);
    if (arguments.size() <= std::max<std::size_t>(dtype_at, 4) || arguments[0].kind != PickleKind::reference) {
      refuse_file("a tensor in it is malformed");
    }
    auto made =
        on_storage(arguments, dtype_at == 0 ? std::nullopt : dtype_of_name(arguments[dtype_at].text), dtype_at != 0);
    const auto flags = std::max<std::size_t>(dtype_at + 1, 6);
    if (arguments.size() > flags) mark(made, tree_.items(arguments[flags]));
    if (requires_grad.value_or(arguments[4].number != 0)) made.set_requires_grad(true);
    return made;
  }

  bool is_call_of(const PickleValue& value, std::string_view callee) {
    if (value.kind != PickleKind::call) return false;
    const auto& called = tree_.items(value).front();
    return called.kind == PickleKind::global && called.text == callee;
  }

  at::Tensor on_storage(Arguments arguments, std::optional<at::ScalarType> dtype, bool in_bytes) {
    const auto& id = tree_.items(arguments[0]).front();
    const auto parts = tree_.items(id);  // "storage", its class, its record, its device, its size
    if (parts.size() != 5 || parts[0].text != "storage") refuse_file("a storage in it is malformed");
    if (!in_bytes) dtype = dtype_of_storage(parts[1].text);
    if (!dtype) refuse_file("it has a tensor of an unknown dtype");
    const auto item = c10::elementSize(*dtype);
    std::uint64_t bytes = 0;
    if (__builtin_mul_overflow(natural(parts[4]), in_bytes ? 1 : item, &bytes))
      refuse_file("a size in it is too large");
    const Geometry geometry{
        .offset = natural(arguments[1]), .sizes = shape(arguments[2]), .strides = shape(arguments[3])};
    if (geometry.sizes.size() != geometry.strides.size() || !geometry.fits(bytes, item)) {
      refuse_file("a tensor in it is larger than its storage");
    }
    const auto made = at::empty({0}, at::TensorOptions().dtype(dtype));
    made.set_(storage(std::string(parts[2].text), bytes), geometry.offset, geometry.sizes, geometry.strides);
    return moved(made, parts[3].text);
  }

  static std::int64_t natural(const PickleValue& value) {
    if (value.kind != PickleKind::integer || value.number < 0)
      refuse_file("a tensor in it has a size, stride or offset below 0");
    return value.number;
  }

  std::vector<std::int64_t> shape(const PickleValue& value) {
    const auto items = tree_.items(value);
    if (value.kind != PickleKind::tuple || items.size() > kMostDimensions)
      refuse_file("a tensor in it has a malformed shape");
    std::vector<std::int64_t> numbers;
    for (const auto& each : items) numbers.push_back(natural(each));
    return numbers;
  }

  const at::Storage& storage(const std::string& key, std::uint64_t bytes) {
    const auto known = storages_.find(key);
    if (known != storages_.end()) {
      if (known->second.nbytes() < bytes) refuse_file("a storage in it has two sizes");
      return known->second;
    }
    at::DataPtr data;
    if (bytes > 0) {
      const std::string name = "data/" + key;
      // A declared size alone costs nothing, because only bytes that are there are read.
      if (reader_.getRecordSize(name) < bytes) refuse_file("a tensor in it is cut off");
      data = std::get<0>(reader_.getRecord(name));
    }
    at::Storage made(at::Storage::use_byte_size_t(), bytes, std::move(data), /*allocator=*/nullptr,
                     /*resizable=*/false);
    return storages_.emplace(key, std::move(made)).first->second;
  }

  static at::Tensor moved(const at::Tensor& tensor, std::string_view device) {
    if (device == "cpu") return tensor;
    if (!device.starts_with("cuda")) refuse_file("it has a tensor on the device '" + std::string(device) + "'");
    int index = 0;
    const auto colon = device.find(':');
    if (colon != std::string_view::npos) {
      (void)std::from_chars(device.data() + colon + 1, device.data() + device.size(), index);
    }
    if (index < 0 || index >= c10::cuda::device_count()) return tensor;
    load_whole_torch();
    return tensor.to(at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(index)));
  }

  // Applies the flags of a view. `flags` alternates between keys and values.
  static void mark(const at::Tensor& tensor, Arguments flags) {
    for (std::size_t i = 0; i + 1 < flags.size(); i += 2) {
      if (flags[i + 1].number == 0) continue;
      if (flags[i].text == "conj") {
        if (!tensor.is_complex()) refuse_file("a tensor in it is malformed");
        tensor._set_conj(true);
      }
      if (flags[i].text == "neg") tensor._set_neg(true);
    }
  }

  caffe2::serialize::PyTorchStreamReader reader_;
  std::string pickle_;
  PickleTree tree_;
  std::map<std::string, at::Storage> storages_;
};

}  // namespace

std::vector<at::Tensor> read_tensor_file(const std::string& path) { return TensorFile(path).tensors(); }

}  // namespace greenlane::detail
