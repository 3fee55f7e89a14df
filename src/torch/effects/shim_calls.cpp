#include "torch/effects/shim_calls.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace greenlane::detail {
namespace {

// Shims that only read, and whose results are new. Sorted, each by the part of its name after "aoti_torch_" and then
// "cpu_", "cuda_" or "aten_". Two kinds are left out on purpose: the few shims that write to an argument although
// neither "_" nor "out" is in their name (quantized sums, observers), and shims that may return their argument.
constexpr auto kReads = std::to_array<std::string_view>({
    "_adaptive_avg_pool2d",
    "_adaptive_avg_pool2d_backward",
    "_adaptive_avg_pool3d",
    "_adaptive_avg_pool3d_backward",
    "_addmm_activation",
    "_cdist_backward",
    "_cdist_forward",
    "_cudnn_rnn",
    "_dyn_quant_matmul_4bit",
    "_dyn_quant_pack_4bit_weight",
    "_efficient_attention_backward",
    "_efficient_attention_forward",
    "_efficientzerotensor",
    "_embedding_bag",
    "_embedding_bag_dense_backward",
    "_embedding_bag_forward_only",
    "_embedding_bag_per_sample_weights_backward",
    "_fft_c2c",
    "_fft_r2c",
    "_flash_attention_backward",
    "_flash_attention_forward",
    "_flash_attention_forward_quantized",
    "_flash_attention_forward_v2",
    "_fused_rms_norm",
    "_grouped_mm",
    "_histogramdd_from_bin_cts",
    "_linear_pointwise",
    "_linear_pointwise_binary",
    "_mkl_linear",
    "_pdist_backward",
    "_pdist_forward",
    "_qconv_pointwise_tensor",
    "_qlinear_pointwise_tensor",
    "_scaled_dot_product_cudnn_attention",
    "_scaled_dot_product_cudnn_attention_backward",
    "_scaled_dot_product_efficient_attention",
    "_scaled_dot_product_efficient_attention_backward",
    "_scaled_dot_product_flash_attention",
    "_scaled_dot_product_flash_attention_backward",
    "_scaled_dot_product_flash_attention_for_cpu",
    "_scaled_dot_product_flash_attention_for_cpu_backward",
    "_scaled_dot_product_flash_attention_quantized",
    "_scaled_dot_product_fused_attention_overrideable",
    "_scaled_dot_product_fused_attention_overrideable_backward",
    "_scaled_grouped_mm",
    "_scaled_mm",
    "_segment_reduce_backward",
    "_thnn_fused_lstm_cell",
    "_trilinear",
    "_weight_int4pack_mm",
    "_weight_int4pack_mm_cpu_tensor",
    "_weight_int8pack_mm",
    "_wrapped_linear_prepack",
    "_wrapped_quantized_linear_prepacked",
    "abs",
    "adaptive_max_pool2d",
    "adaptive_max_pool2d_backward",
    "adaptive_max_pool3d",
    "adaptive_max_pool3d_backward",
    "add_Scalar",
    "add_Tensor",
    "addbmm",
    "addmv",
    "amax",
    "angle",
    "avg_pool2d",
    "avg_pool2d_backward",
    "avg_pool3d",
    "avg_pool3d_backward",
    "bucketize_Tensor",
    "cat",
    "check_inf_and_nan",
    "cholesky_inverse",
    "cholesky_solve",
    "clone",
    "clone_preserve_strides",
    "convolution",
    "convolution_backward",
    "cummax",
    "cummin",
    "cumprod",
    "cumsum",
    "delete_tensor_object",
    "empty_strided",
    "empty_strided_pinned",
    "exponential",
    "fractional_max_pool2d",
    "fractional_max_pool2d_backward",
    "fractional_max_pool3d",
    "fractional_max_pool3d_backward",
    "full",
    "gcd",
    "geqrf",
    "get_device_index",
    "get_device_type",
    "get_dim",
    "get_dtype",
    "get_layout",
    "get_numel",
    "get_size",
    "get_sizes",
    "get_storage_numel",
    "get_storage_offset",
    "get_storage_size",
    "get_stride",
    "get_strides",
    "grid_sampler_2d_backward",
    "grid_sampler_3d",
    "grid_sampler_3d_backward",
    "hann_window",
    "histc",
    "histogram_bin_ct",
    "index_Tensor",
    "index_put",
    "index_reduce",
    "is_contiguous",
    "is_defined",
    "item_bfloat16",
    "item_bool",
    "item_complex128",
    "item_complex64",
    "item_float16",
    "item_float32",
    "item_float64",
    "item_int16",
    "item_int32",
    "item_int64",
    "item_int8",
    "item_uint16",
    "item_uint32",
    "item_uint64",
    "item_uint8",
    "kthvalue",
    "logcumsumexp",
    "lu_unpack",
    "masked_scatter",
    "masked_scatter_backward",
    "masked_select",
    "max_pool2d_with_indices",
    "max_pool2d_with_indices_backward",
    "max_pool3d_with_indices",
    "max_pool3d_with_indices_backward",
    "max_unpool2d",
    "max_unpool3d",
    "median",
    "mkldnn__convolution_pointwise",
    "mkldnn__convolution_pointwise_binary",
    "mkldnn__convolution_transpose_pointwise",
    "mkldnn_rnn_layer",
    "mode",
    "mul_Scalar",
    "mul_Tensor",
    "nanmedian",
    "new_empty",
    "new_uninitialized_tensor",
    "new_zeros",
    "nonzero",
    "nonzero_static",
    "normal_functional",
    "ormqr",
    "polar",
    "pow_Scalar",
    "pow_Tensor_Scalar",
    "pow_Tensor_Tensor",
    "print_tensor_handle",
    "rand",
    "rand_generator",
    "rand_like",
    "rand_like_generator",
    "randint",
    "randint_generator",
    "randint_like",
    "randint_like_low_dtype",
    "randint_low",
    "randn",
    "randn_generator",
    "randn_like",
    "randn_like_generator",
    "randperm",
    "repeat_interleave_Tensor",
    "replication_pad1d_backward",
    "replication_pad2d_backward",
    "save_tensor_handle",
    "searchsorted_Scalar",
    "searchsorted_Tensor",
    "segment_reduce",
    "soft_margin_loss_backward",
    "sort",
    "sort_stable",
    "subtract_Tensor",
    "tensor_to_ivalue",
    "topk",
    "triangular_solve",
    "uniform",
    "upsample_bicubic2d_backward",
    "upsample_linear1d_backward",
    "upsample_trilinear3d_backward",
    "wrapped_fbgemm_linear_fp16_weight",
    "wrapped_fbgemm_pack_gemm_matrix_fp16",
});

// Shims that return their argument's memory, or may. Sorted and named like kReads.
constexpr auto kViews = std::to_array<std::string_view>({
    "_alloc_from_pool",
    "_reinterpret_tensor",
    "_to_sparse",
    "as_strided",
    "assign_tensors_out",
    "create_tensor_from_blob",
    "create_tensor_from_blob_v2",
    "get_data_ptr",
    "narrow",
    "native_dropout",
    "new_tensor_handle",
    "pad",
    "permute",
    "reshape",
    "slice_Tensor",
    "squeeze_dim",
    "to_sparse",
    "view_as_complex",
    "view_as_real",
    "view_dtype",
});

// Shims that write to their first argument only. Sorted and named like kReads.
constexpr auto kWritesFirst = std::to_array<std::string_view>({
    "_int_mm_out",
    "_mm_plus_mm_out",
    "_scaled_mm_out",
    "addmm_out",
    "baddbmm_out",
    "bernoulli__Tensor",
    "bernoulli__float",
    "bmm_out",
    "copy_",
    "fill__Scalar",
    "index_put_out",
    "mkldnn__convolution_pointwise_binary_",
    "mm_dtype_out",
    "mm_out",
    "randint_low_out",
    "resize_",
    "resize_as_",
    "scatter_out",
    "scatter_reduce_out",
    "scatter_reduce_two_out",
    "scatter_src_out",
    "scatter_value_out",
    "zero_",
});

// Shims that write to other arguments than the first; the last few are no operators at all. Sorted and named like
// kReads.
constexpr auto kWritingShims = std::to_array<std::string_view>({
    "_c10d_functional_all_reduce",
    "_c10d_functional_all_reduce_",
    "_c10d_functional_wait_tensor",
    "_flash_attention_forward_no_dropout_inplace",
    "_flash_attention_forward_no_dropout_inplace_v2",
    "_fused_moving_avg_obs_fq_helper",
    "_fused_moving_avg_obs_fq_helper_functional",
    "_qconv2d_pointwise_binary_tensor",
    "_qlinear_pointwise_binary_tensor",
    "caching_allocator_raw_alloc",
    "caching_allocator_raw_delete",
    "guard_set_index",
    "set__source_Tensor",
});

// Other functions that a wrapper calls, by the last part of their names. Sorted.
constexpr auto kOtherReads = std::to_array<std::string_view>({
    "__check_inputs_outputs",
    "assert_alignment",
    "assert_numel",
    "assert_size_stride",
    "catch",
    "constexpr",
    "copy_data_from",
    "decltype",
    "for",
    "if",
    "sizeof",
    "switch",
    "while",
});
constexpr auto kValues = std::to_array<std::string_view>({
    "AOTI_TORCH_ERROR_CODE_CHECK",
    "ConstantHandle",
    "RAIIAtenTensorHandle",
    "borrow_arrayref_tensor_as_tensor",
    "const_cast",
    "copy_arrayref_tensor_to_tensor",
    "expensive_copy_to_tensor_if_needed",
    "get_data_ptr_wrapper",
    "move",
    "reinterpret_cast",
    "reinterpret_tensor_wrapper",
    "static_cast",
    "temporary_reference",
    "unwrap_raii_handle_if_needed",
    "wrap_with_raii_handle_if_needed",
});
constexpr auto kOtherViews = std::to_array<std::string_view>({
    "convert_handle_to_arrayref_tensor",
    "initTMADescriptor",
});

// Operators of ATen whose schema, or whose code, writes to an argument although their name does not end with "_".
constexpr auto kWritingOperators = std::to_array<std::string_view>({
    "_batch_norm_with_update",
    "_cummax_helper",
    "_cummin_helper",
    "_flash_attention_forward_no_dropout_inplace",
    "_fused_moving_avg_obs_fq_helper",
    "_native_batch_norm_legit",
    "batch_norm",
    "cudnn_batch_norm",
    "fused_moving_avg_obs_fake_quant",
    "instance_norm",
    "miopen_batch_norm",
    "native_batch_norm",
    "record_stream",
    "rrelu_with_noise",
    "set_data",
});

constexpr auto kRandomWords =
    std::to_array<std::string_view>({"bernoulli", "binomial", "cauchy", "dirichlet", "dropout", "exponential", "gamma",
                                     "geometric", "multinomial", "normal", "poisson", "rand", "rrelu", "uniform"});

constexpr auto kDropoutArguments = std::to_array<std::pair<std::string_view, std::size_t>>({
    {"_cudnn_rnn", 12},
    {"_efficient_attention_forward", 8},
    {"_flash_attention_forward", 7},
    {"_flash_attention_forward_quantized", 7},
    {"_flash_attention_forward_v2", 7},
    {"_scaled_dot_product_cudnn_attention", 5},
    {"_scaled_dot_product_efficient_attention", 5},
    {"_scaled_dot_product_flash_attention", 3},
    {"_scaled_dot_product_flash_attention_quantized", 6},
    {"_scaled_dot_product_fused_attention_overrideable", 4},
});

template <std::size_t N>
consteval bool is_sorted(const std::array<std::string_view, N>& names) {
  return std::ranges::is_sorted(names);
}
static_assert(is_sorted(kReads) && is_sorted(kWritingShims) && is_sorted(kViews) && is_sorted(kWritesFirst) &&
              is_sorted(kOtherReads) && is_sorted(kValues) && is_sorted(kOtherViews) && is_sorted(kWritingOperators));

template <std::size_t N>
bool holds(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::ranges::binary_search(names, name);
}

constexpr std::string_view kShim = "aoti_torch_";

std::string_view without(std::string_view prefix, std::string_view name) {
  return name.starts_with(prefix) ? name.substr(prefix.size()) : name;
}

// Returns the name of a shim in the tables.
std::string_view shim_name(std::string_view function) {
  const std::string_view name = without(kShim, function);
  for (const std::string_view device : {"cpu_", "cuda_", "aten_"}) {
    if (name.starts_with(device)) return name.substr(device.size());
  }
  return name;
}

Effect effect_of_shim(std::string_view name) {
  if (holds(kReads, name)) return Effect::none;
  if (holds(kViews, name)) return Effect::view;
  if (holds(kWritesFirst, name)) return Effect::writes_first;
  return Effect::unknown;
}

}  // namespace

Effect effect_of_call(std::string_view function) {
  if (function.starts_with(kShim)) return effect_of_shim(shim_name(function));
  if (holds(kOtherReads, function)) return Effect::none;
  if (holds(kValues, function)) return Effect::value;
  if (holds(kOtherViews, function)) return Effect::view;
  return Effect::unknown;
}

Effect effect_of_aten(std::string_view name) {
  const std::string_view base = name.substr(0, name.find('.'));
  if (base == "copy_") return Effect::writes_first;
  const bool writes = base.ends_with('_') || name.substr(base.size()).find("out") != std::string_view::npos ||
                      holds(kWritingOperators, base);
  return writes ? Effect::unknown : Effect::view;
}

bool is_unknown_shim(std::string_view function) {
  if (!function.starts_with(kShim) || effect_of_call(function) != Effect::unknown) return false;
  const std::string_view name = shim_name(function);
  // Without a device in its name, a shim is no operator, except the one that calls any operator.
  if (name == without(kShim, function)) return name == "call_dispatcher";
  return !holds(kWritingShims, name);
}

bool draws_random_numbers(std::string_view function) {
  return std::ranges::any_of(
      kRandomWords, [function](std::string_view word) { return function.find(word) != std::string_view::npos; });
}

std::optional<std::size_t> dropout_argument(std::string_view function) {
  for (const auto& [name, index] : kDropoutArguments) {
    if (function.starts_with(kShim) && shim_name(function) == name) return index;
  }
  return std::nullopt;
}

}  // namespace greenlane::detail
