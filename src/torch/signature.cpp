#include <greenlane/core/error.hpp>
#include <greenlane/torch/signature.hpp>

#include <c10/util/StringUtil.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <map>
#include <utility>

namespace greenlane {
namespace {

using at::ScalarType;

// The names in AOTInductor's `aoti_torch_dtype_<name>()`.
constexpr std::array<std::pair<std::string_view, ScalarType>, 18> kDtypes{{
    {"float32", ScalarType::Float},
    {"float64", ScalarType::Double},
    {"float16", ScalarType::Half},
    {"bfloat16", ScalarType::BFloat16},
    {"float8_e5m2", ScalarType::Float8_e5m2},
    {"float8_e4m3fn", ScalarType::Float8_e4m3fn},
    {"int8", ScalarType::Char},
    {"int16", ScalarType::Short},
    {"int32", ScalarType::Int},
    {"int64", ScalarType::Long},
    {"uint8", ScalarType::Byte},
    {"uint16", ScalarType::UInt16},
    {"uint32", ScalarType::UInt32},
    {"uint64", ScalarType::UInt64},
    {"bool", ScalarType::Bool},
    {"complex32", ScalarType::ComplexHalf},
    {"complex64", ScalarType::ComplexFloat},
    {"complex128", ScalarType::ComplexDouble},
}};

std::string name_of(ScalarType dtype) {
  for (const auto& [name, value] : kDtypes) {
    if (value == dtype) return std::string(name);
  }
  return c10::toString(dtype);
}

// The text between `before` and `after` in `line`, or nothing.
std::optional<std::string_view> between(std::string_view line, std::string_view before, std::string_view after) {
  const auto start = line.find(before);
  if (start == std::string_view::npos) return std::nullopt;
  const auto rest = line.substr(start + before.size());
  const auto end = rest.find(after);
  if (end == std::string_view::npos) return std::nullopt;
  return rest.substr(0, end);
}

std::int64_t number(std::string_view text) { return std::strtoll(std::string(text).c_str(), nullptr, 10); }

DimensionSpec& dimension(TensorSpec& spec, std::string_view index) {
  const auto i = static_cast<std::size_t>(number(index));
  if (spec.dimensions.size() <= i) spec.dimensions.resize(i + 1);
  return spec.dimensions[i];
}

// Lines such as "if (64 != arg2_1_size[1]) {", "if (arg2_1_size[0] < 2) {" and "if (1 != arg2_1_stride[1]) {".
void read_condition(std::string_view line, TensorSpec& spec) {
  if (const auto index = between(line, "_stride[", "]")) {
    if (const auto value = between(line, "if (", " != ")) dimension(spec, *index).stride = number(*value);
  } else if (const auto size_index = between(line, "_size[", "]")) {
    if (const auto value = between(line, "if (", " != ")) {
      auto& fixed = dimension(spec, *size_index);
      fixed.smallest = fixed.largest = number(*value);
    } else if (const auto smallest = between(line, "] < ", ")")) {
      dimension(spec, *size_index).smallest = number(*smallest);
    } else if (const auto largest = between(line, "] > ", ")")) {
      dimension(spec, *size_index).largest = number(*largest);
    }
  }
}

// The elements of a list such as "s31, 64L".
std::vector<std::string_view> elements(std::string_view list) {
  std::vector<std::string_view> all;
  while (!list.empty()) {
    const auto end = list.find(", ");
    all.push_back(list.substr(0, end));
    list = end == std::string_view::npos ? std::string_view{} : list.substr(end + 2);
  }
  return all;
}

// A line such as "assert_size_stride(arg2_1, {s31, 64L}, {64L, 1L}, …". It says what the conditions leave open: the
// number of dimensions, and which of them have one size.
void read_assertion(std::string_view sizes, TensorSpec& spec) {
  const auto all = elements(sizes);
  spec.is_scalar = all.empty();
  spec.dimensions.resize(all.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    const bool is_name = !all[i].empty() && std::isalpha(static_cast<unsigned char>(all[i].front())) &&
                         std::ranges::all_of(all[i], [](unsigned char c) { return std::isalnum(c) || c == '_'; });
    if (is_name) spec.dimensions[i].symbol = all[i];
  }
}

std::string describe(const at::Tensor& tensor) {
  return name_of(tensor.scalar_type()) + " " + c10::str(tensor.sizes()) + " with strides " +
         c10::str(tensor.strides()) + " on " + tensor.device().str();
}

// "[8, 1]", with * where any stride will do.
std::string strides_of(const TensorSpec& spec) {
  std::string text;
  for (const auto& d : spec.dimensions)
    text += (text.empty() ? "" : ", ") + (d.stride ? std::to_string(*d.stride) : std::string("*"));
  return "[" + text + "]";
}

enum class Fit { yes, wrong_dtype, wrong_shape, wrong_strides };

Fit fit(const at::Tensor& tensor, const TensorSpec& spec) {
  if (spec.dtype && tensor.scalar_type() != *spec.dtype) return Fit::wrong_dtype;
  if (spec.is_scalar && tensor.dim() != 0) return Fit::wrong_shape;
  if (spec.dimensions.empty()) return Fit::yes;
  const auto sizes = tensor.sizes();
  if (sizes.size() != spec.dimensions.size()) return Fit::wrong_shape;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] < spec.dimensions[i].smallest || sizes[i] > spec.dimensions[i].largest) return Fit::wrong_shape;
  }
  const auto strides = tensor.strides();
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    // The stride of a dimension of one element is never used.
    const auto& stride = spec.dimensions[i].stride;
    if (stride && sizes[i] > 1 && strides[i] != *stride) return Fit::wrong_strides;
  }
  return Fit::yes;
}

[[noreturn]] void refuse(const std::string& engine, std::size_t index, const std::string& why,
                         const std::string& remedy) {
  throw EngineError({.what = "input " + std::to_string(index) + " does not fit engine '" + engine + "'",
                     .why = why,
                     .remedy = remedy});
}

}  // namespace

std::string to_string(const TensorSpec& spec) {
  std::string text = spec.dtype ? name_of(*spec.dtype) : "any dtype";
  if (spec.dimensions.empty()) return text;
  text += " [";
  for (std::size_t i = 0; i < spec.dimensions.size(); ++i) {
    const auto& d = spec.dimensions[i];
    if (i > 0) text += ", ";
    text += std::to_string(d.smallest);
    if (d.largest == std::numeric_limits<std::int64_t>::max()) {
      text += "..";
    } else if (d.largest != d.smallest) {
      text += ".." + std::to_string(d.largest);
    }
  }
  return text + "]";
}

Signature::Signature(std::optional<std::size_t> count, std::vector<TensorSpec> inputs)
    : count_(count), inputs_(std::move(inputs)) {
  std::map<std::string, Place> first;
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    for (std::size_t d = 0; d < inputs_[i].dimensions.size(); ++d) {
      const auto& symbol = inputs_[i].dimensions[d].symbol;
      if (symbol.empty()) continue;
      const auto [same, fresh] = first.emplace(symbol, Place{i, d});
      if (!fresh) equal_sizes_.emplace_back(same->second, Place{i, d});
    }
  }
}

Signature Signature::from_wrapper_source(std::string_view source) {
  constexpr std::string_view kFunction = "static void check_input_";
  std::vector<TensorSpec> inputs;
  std::map<std::string, std::size_t, std::less<>> names;
  bool inside = false;
  while (!source.empty()) {
    const auto end = source.find('\n');
    const auto line = source.substr(0, end);
    source = end == std::string_view::npos ? std::string_view{} : source.substr(end + 1);
    if (line.find(kFunction) != std::string_view::npos) {
      inputs.emplace_back();
      inside = true;
    } else if (line.starts_with('}')) {
      inside = false;
    } else if (const auto asserted = between(line, "assert_size_stride(", ", {")) {
      const auto sizes = between(line, ", {", "}, {");
      const auto input = names.find(*asserted);
      if (sizes && input != names.end()) read_assertion(*sizes, inputs[input->second]);
    } else if (inside) {
      auto& spec = inputs.back();
      if (const auto name = between(line, "ConstantHandle ", " = ConstantHandle(input_handles[")) {
        names.emplace(*name, inputs.size() - 1);
      }
      if (const auto name = between(line, "_expected_dtype = aoti_torch_dtype_", "()")) {
        for (const auto& [known, dtype] : kDtypes) {
          if (known == *name) spec.dtype = dtype;
        }
      } else {
        read_condition(line, spec);
      }
    }
  }
  if (inputs.empty()) return {};
  const auto count = inputs.size();
  return {count, std::move(inputs)};
}

void Signature::check(std::span<const at::Tensor> inputs, DeviceId device, const std::string& engine) const {
  if (count_ && inputs.size() != *count_) {
    throw EngineError({.what = "engine '" + engine + "' takes " + std::to_string(*count_) + " inputs",
                       .why = std::to_string(inputs.size()) + " were given",
                       .remedy = "pass the tensors in the order of the exported model's flattened arguments"});
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const auto& tensor = inputs[i];
    if (!tensor.defined()) refuse(engine, i, "it is an undefined tensor", "pass a tensor");
    const bool on_cuda = tensor.is_cuda();
    const bool right_place =
        device.kind == DeviceKind::cuda ? on_cuda && tensor.get_device() == device.index : tensor.device().is_cpu();
    if (!right_place) {
      refuse(engine, i, "it is on " + tensor.device().str() + ", and the engine on " + to_string(device),
             "move it there before the call");
    }
    if (i >= inputs_.size()) continue;
    switch (fit(tensor, inputs_[i])) {
      case Fit::yes:
        break;
      case Fit::wrong_dtype:
      case Fit::wrong_shape:
        refuse(engine, i, "it is " + describe(tensor) + ", and the engine was compiled for " + to_string(inputs_[i]),
               "convert the tensor, or export the model for this input");
      case Fit::wrong_strides:
        refuse(engine, i,
               "its memory layout is not the one the engine was compiled for: it is " + describe(tensor) +
                   ", and should have strides " + strides_of(inputs_[i]),
               "pass tensor.contiguous(), or the layout used at export");
    }
  }
  for (const auto& [one, other] : equal_sizes_) {
    const auto first = inputs[one.input].size(static_cast<std::int64_t>(one.dimension));
    const auto second = inputs[other.input].size(static_cast<std::int64_t>(other.dimension));
    if (first == second) continue;
    refuse(engine, other.input,
           "its dimension " + std::to_string(other.dimension) + " is " + std::to_string(second) + ", and dimension " +
               std::to_string(one.dimension) + " of input " + std::to_string(one.input) + " is " +
               std::to_string(first),
           "the model was exported with one size for both: pass tensors that agree");
  }
}

}  // namespace greenlane
