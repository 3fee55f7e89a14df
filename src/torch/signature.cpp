#include "torch/dtype_names.hpp"
#include "torch/signature_reader.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/torch/signature.hpp>

#include <c10/util/StringUtil.h>

#include <algorithm>
#include <array>
#include <utility>

namespace greenlane {
namespace {

using detail::InputExtent;
using detail::SizeRules;

constexpr auto kOpen = std::numeric_limits<std::int64_t>::max();

std::string describe(const at::Tensor& tensor) {
  return detail::name_of(tensor.scalar_type()) + " " + c10::str(tensor.sizes()) + " with strides " +
         c10::str(tensor.strides()) + " on " + tensor.device().str();
}

// Returns strides such as "[8, 1]", with * for a stride that may be anything. With `rules`, `inputs` give the values of
// strides that depend on sizes.
std::string strides_of(const TensorSpec& spec, const SizeRules* rules, std::span<const at::Tensor> inputs,
                       std::size_t input) {
  std::string text;
  for (std::size_t d = 0; d < spec.dimensions.size(); ++d) {
    auto stride = spec.dimensions[d].stride;
    if (rules != nullptr && !stride) {
      const InputExtent extent{input, d, true};
      const auto rule = std::ranges::find(rules->rules, extent, &SizeRules::Rule::extent);
      if (rule != rules->rules.end()) stride = rule->expected.evaluate(rules->values(inputs));
    }
    text += (text.empty() ? "" : ", ") + (stride ? std::to_string(*stride) : std::string("*"));
  }
  return "[" + text + "]";
}

enum class Fit { yes, wrong_dtype, wrong_shape, wrong_strides };

bool has_shape(const at::Tensor& tensor, const TensorSpec& spec) {
  if (spec.is_scalar) return tensor.dim() == 0;
  if (spec.dimensions.empty()) return true;
  const auto sizes = tensor.sizes();
  if (sizes.size() != spec.dimensions.size()) return false;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] < spec.dimensions[i].smallest || sizes[i] > spec.dimensions[i].largest) return false;
  }
  return true;
}

Fit fit(const at::Tensor& tensor, const TensorSpec& spec) {
  if (spec.dtype && tensor.scalar_type() != *spec.dtype) return Fit::wrong_dtype;
  if (!has_shape(tensor, spec)) return Fit::wrong_shape;
  for (std::size_t i = 0; i < spec.dimensions.size(); ++i) {
    const auto& stride = spec.dimensions[i].stride;
    if (stride && tensor.strides()[i] != *stride && !detail::is_stride_unused(tensor, i)) return Fit::wrong_strides;
  }
  return Fit::yes;
}

// Returns the bytes of storage up to the end of the tensor's last element.
std::size_t bytes_spanned(const at::Tensor& tensor) {
  std::int64_t last = tensor.storage_offset();
  for (std::int64_t d = 0; d < tensor.dim(); ++d) last += (tensor.size(d) - 1) * tensor.stride(d);
  return static_cast<std::size_t>(last + 1) * tensor.itemsize();
}

[[noreturn]] void refuse(const std::string& engine, std::size_t index, const std::string& why,
                         const std::string& remedy) {
  throw EngineError({.what = "input " + std::to_string(index) + " does not fit engine '" + engine + "'",
                     .why = why,
                     .remedy = remedy});
}

// Refuses tensors whose memory does not hold their values, because kernels read the memory.
void require_memory(const std::string& engine, std::size_t index, const at::Tensor& tensor) {
  if (tensor.unsafeGetTensorImpl()->is_python_dispatch())
    refuse(engine, index,
           "it is a tensor of a Python class that stands for other memory or none, such as a fake tensor",
           "pass a plain tensor");
  if (tensor.layout() != at::kStrided)
    refuse(engine, index, "it is not a dense tensor, and kernels read it by strides", "pass tensor.to_dense()");
  if (tensor.is_nested())
    refuse(engine, index, "it is a nested tensor, and kernels read one block", "pass tensor.to_padded_tensor(0)");
  if (tensor._is_zerotensor())
    refuse(engine, index, "it is a zero tensor of PyTorch's that has no memory", "pass tensor.clone()");
  if (tensor.is_neg() || tensor.is_conj())
    refuse(engine, index, "its memory holds other values: its negative or conjugate bit is set",
           "pass tensor.resolve_conj().resolve_neg()");
  if (tensor.numel() > 0 && (!tensor.has_storage() || tensor.const_data_ptr() == nullptr ||
                             tensor.storage().nbytes() < bytes_spanned(tensor)))
    refuse(engine, index, "its storage is too small for its elements", "pass a tensor with data");
}

std::string dimension_of(const InputExtent& extent) {
  return "dimension " + std::to_string(extent.dimension) + " of input " + std::to_string(extent.input);
}

// Returns whether a size that is too small is the one at which the model's symbols are 0 or 1.
bool is_special(const SizeRules* rules, const InputExtent& extent, const DimensionSpec& spec, std::int64_t size) {
  if (size >= spec.smallest || spec.largest == spec.smallest) return false;
  if (spec.smallest == 2) return true;
  if (rules == nullptr) return false;
  const auto rule = std::ranges::find(rules->rules, extent, &SizeRules::Rule::extent);
  if (rule == rules->rules.end()) return false;
  return std::ranges::any_of(std::array<std::int64_t, 2>{0, 1}, [&](std::int64_t special) {
    return rule->expected.evaluate(SizeRules::Values(rules->symbols.size(), special)) == size;
  });
}

// Returns the dimension whose size is refused only because export treats 0 and 1 as special; absent if there is none.
std::optional<std::size_t> specialized_dimension(const at::Tensor& tensor, const TensorSpec& spec,
                                                 const SizeRules* rules, std::size_t input) {
  if (static_cast<std::size_t>(tensor.dim()) != spec.dimensions.size()) return std::nullopt;
  std::optional<std::size_t> found;
  for (std::size_t d = 0; d < spec.dimensions.size(); ++d) {
    const auto size = tensor.sizes()[d];
    const auto& each = spec.dimensions[d];
    if (size >= each.smallest && size <= each.largest) continue;
    if (!is_special(rules, {input, d}, each, size)) return std::nullopt;
    if (!found) found = d;
  }
  return found;
}

[[noreturn]] void refuse_shape(const std::string& engine, std::size_t index, const at::Tensor& tensor,
                               const TensorSpec& spec, const SizeRules* rules) {
  const auto why = "it is " + describe(tensor) + ", and the engine was compiled for " + to_string(spec);
  if (const auto dimension = specialized_dimension(tensor, spec, rules, index)) {
    const auto size = std::to_string(tensor.sizes()[*dimension]);
    refuse(engine, index,
           why +
               "; that is 0/1 specialization: torch.export takes a dynamic size to be 2 or more, also where Dim says "
               "min=1, and the compiled code may rely on it, so its dimension " +
               std::to_string(*dimension) + " may not be " + size,
           "pad the tensor, export the model a second time for this size, or export it with "
           "torch.fx.experimental._config.backed_size_oblivious = True");
  }
  refuse(engine, index, why, "convert the tensor, or export the model for this input");
}

[[noreturn]] void refuse_strides(const std::string& engine, std::size_t index, const at::Tensor& tensor,
                                 const std::string& strides) {
  refuse(engine, index,
         "its memory layout is not the one the engine was compiled for: it is " + describe(tensor) +
             ", and should have strides " + strides,
         "pass tensor.contiguous(), or the layout used at export");
}

// Returns an explanation such as "4*s77, and s77 is 3 (from dimension 0 of input 0)".
std::string explain(const SizeRules& rules, const SizeRules::Rule& rule, const SizeRules::Values& values) {
  auto text = detail::readable(rule.text);
  for (const auto value : rule.expected.values()) {
    const auto& symbol = rules.symbols[value];
    text +=
        ", and " + symbol.name + " is " + std::to_string(values[value]) + " (from " + dimension_of(symbol.extent) + ")";
  }
  return text;
}

[[noreturn]] void refuse_size(const std::string& engine, const SizeRules& rules, const SizeRules::Violation& violation,
                              std::span<const at::Tensor> inputs) {
  const auto& extent = violation.extent;
  const auto size = std::to_string(inputs[extent.input].sizes()[extent.dimension]);
  auto why = "its dimension " + std::to_string(extent.dimension) + " is " + size + ", and ";
  if (violation.rule == nullptr) {
    const auto& symbol = *violation.symbol;
    refuse(engine, extent.input,
           why + "no size of the model gives that: " + symbol.name + " would be " + detail::readable(symbol.text) +
               ", which leaves a remainder",
           "pass a tensor of a size that the exported model takes");
  }
  const auto value = violation.rule->expected.single_value();
  if (value && !rules.symbols[*value].solution) {
    refuse(engine, extent.input,
           why + dimension_of(rules.symbols[*value].extent) + " is " + std::to_string(violation.expected.value_or(0)),
           "the model was exported with one size for both: pass tensors that agree");
  }
  why += violation.expected ? "must be " + std::to_string(*violation.expected) : "no size of the model gives that";
  refuse(engine, extent.input, why + ": it is " + explain(rules, *violation.rule, rules.values(inputs)),
         "the model was exported with sizes that depend on each other: pass tensors that agree");
}

}  // namespace

std::string to_string(const TensorSpec& spec) {
  std::string text = spec.dtype ? detail::name_of(*spec.dtype) : "any dtype";
  if (spec.dimensions.empty()) return spec.is_scalar ? text + " []" : text;
  text += " [";
  for (std::size_t i = 0; i < spec.dimensions.size(); ++i) {
    const auto& d = spec.dimensions[i];
    if (i > 0) text += ", ";
    text += std::to_string(d.smallest);
    if (d.largest == kOpen) {
      text += "..";
    } else if (d.largest != d.smallest) {
      text += ".." + std::to_string(d.largest);
    }
  }
  return text + "]";
}

Signature Signature::from_wrapper_source(std::string_view source) {
  auto read = detail::read_wrapper_source(source);
  auto made = detail::make_rules(read);
  Signature signature;
  signature.count_ = read.count;
  signature.unchecked_ = std::move(made.unchecked);
  for (std::size_t i = read.inputs.size(); i < read.count.value_or(0); ++i) {
    signature.unchecked_.push_back("input " + std::to_string(i) + ": its dtype, shape and memory layout");
  }
  signature.inputs_ = std::move(read.inputs);
  signature.rules_ = std::make_shared<const SizeRules>(std::move(made.rules));
  return signature;
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
    require_memory(engine, i, tensor);
    if (i >= inputs_.size()) continue;
    switch (fit(tensor, inputs_[i])) {
      case Fit::yes:
        break;
      case Fit::wrong_dtype:
        refuse(engine, i, "it is " + describe(tensor) + ", and the engine was compiled for " + to_string(inputs_[i]),
               "convert the tensor, or export the model for this input");
      case Fit::wrong_shape:
        refuse_shape(engine, i, tensor, inputs_[i], rules_.get());
      case Fit::wrong_strides:
        refuse_strides(engine, i, tensor, strides_of(inputs_[i], nullptr, inputs, i));
    }
  }
  if (rules_ == nullptr) return;
  const auto violation = rules_->find_violation(inputs);
  if (!violation) return;
  const auto& extent = violation->extent;
  if (!extent.is_stride) refuse_size(engine, *rules_, *violation, inputs);
  auto strides = strides_of(inputs_[extent.input], rules_.get(), inputs, extent.input);
  if (violation->derived != nullptr) strides += ", where * follows from the other dimensions' sizes and strides";
  refuse_strides(engine, extent.input, inputs[extent.input], strides);
}

}  // namespace greenlane
