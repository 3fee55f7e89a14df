#include "torch/package_effects.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace greenlane::detail {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Returns a wrapper as Inductor writes it, shortened. Its model has the inputs x and y, the parameter `w` and the
// buffer `net.cache`. `functions` stand before the function that runs the model.
std::string wrapper(std::string_view statements, std::string_view functions = {}) {
  constexpr std::string_view kModel = R"(
AOTInductorModel::AOTInductorModel(std::shared_ptr<ConstantMap> constants_map)
    : AOTInductorModelBase(2, 1, 2, device_str, std::move(cubin_dir), true) {
    inputs_info_[0].name = "x";
    constants_info_[0].name = "w";
    constants_info_[0].shape = {8, 8};
    constants_info_[0].type = static_cast<int32_t>(torch::aot_inductor::ConstantType::Parameter);
    constants_info_[0].original_fqn = "w";
    constants_info_[1].name = "net_cache";
    constants_info_[1].type = static_cast<int32_t>(torch::aot_inductor::ConstantType::Buffer);
    constants_info_[1].original_fqn = "net.cache";
    in_spec_ = R"SPEC([1, {"type": "builtins.tuple"}])SPEC";
}
void AOTInductorModel::_const_run_impl(std::vector<AtenTensorHandle>& output_handles) {}
static void check_input_0(AtenTensorHandle* input_handles) {
    ConstantHandle x = ConstantHandle(input_handles[0]);
}
)";
  constexpr std::string_view kBegin = R"(
void AOTInductorModel::run_impl(
    AtenTensorHandle*
        input_handles, // array of input AtenTensorHandle; handles
                        // are stolen; the array itself is borrowed
    AtenTensorHandle* output_handles,
    DeviceStreamType stream,
    AOTIProxyExecutorHandle proxy_executor
) {
    __check_inputs_outputs(input_handles, output_handles);
    auto inputs = steal_from_raw_handles_to_raii_handles(input_handles, 2);
    auto x = std::move(inputs[0]);
    auto y = std::move(inputs[1]);
    [[maybe_unused]] auto& w = constants_->at(0);
    [[maybe_unused]] auto& net_cache = constants_->at(1);
    inputs.clear();
    [[maybe_unused]] auto& kernels = static_cast<AOTInductorModelKernels&>(*this->kernels_.get());
    if (_check_aoti_runtime_check_inputs_env()) { assert_size_stride(x, {4L, 8L}, {8L, 1L}, "input"); }
    static constexpr int64_t int_array_0[] = {4L, 8L};
    AtenTensorHandle buf0_handle;
    AOTI_TORCH_ERROR_CODE_CHECK(aoti_torch_empty_strided(2, int_array_0, int_array_0, cached_torch_dtype_float32, cached_torch_device_type_cpu, this->device_idx_, &buf0_handle));
    RAIIAtenTensorHandle buf0(buf0_handle);
)";
  constexpr std::string_view kEnd = R"(
    x.reset();
    output_handles[0] = buf0.release();
} // AOTInductorModel::run_impl
} // namespace torch::aot_inductor
// g++ it's a comment
)";
  std::string text(functions);
  for (const std::string_view part : {kModel, kBegin, statements, kEnd}) text += part;
  return text;
}

PackageEffects effects(std::string_view statements, std::string_view functions = {}, std::string_view nodes = {}) {
  return effects_of_source(wrapper(statements, functions), 2, nodes);
}

// Returns the inputs and constants that are written to, by the names above.
std::vector<std::string> written(const PackageEffects& effects) {
  std::vector<std::string> names = effects.written_constants();
  if (!effects.is_known) names.emplace_back("?");
  if (effects.writes_input.at(0)) names.emplace_back("x");
  if (effects.writes_input.at(1)) names.emplace_back("y");
  return names;
}
std::vector<std::string> written(std::string_view statements, std::string_view functions = {},
                                 std::string_view nodes = {}) {
  return written(effects(statements, functions, nodes));
}

TEST(PackageEffects, ConstantsHaveTheirNamesAndKinds) {
  const auto constants = effects("").constants;
  ASSERT_EQ(constants.size(), 2U);
  EXPECT_EQ(constants[0].name, "w");
  EXPECT_EQ(constants[0].kind, ConstantKind::parameter);
  EXPECT_EQ(constants[1].name, "net.cache");
  EXPECT_EQ(constants[1].kind, ConstantKind::buffer);
}

TEST(PackageEffects, ACpuKernelWritesToNonConstArguments) {
  EXPECT_THAT(written("cpp_fused_add_0((const float*)(net_cache.data_ptr()), (const float*)(x.data_ptr()), "
                      "(float*)(buf0.data_ptr()), 4L);"),
              IsEmpty());
  EXPECT_THAT(written("cpp_fused_add_0((const float*)(net_cache.data_ptr()), (const float*)(x.data_ptr()), "
                      "(float*)(buf0.data_ptr()), (float*)(net_cache.data_ptr()));"),
              ElementsAre("net.cache"));
  EXPECT_THAT(written("cpp_fused_add_0((const int64_t*)(y.data_ptr()), (float*)(x.data_ptr()));"), ElementsAre("x"));
  // The code that aot_inductor.allow_stack_allocation gives.
  EXPECT_THAT(written(R"(
    auto* var_0 = get_data_ptr_wrapper(x);
    auto* var_1 = get_data_ptr_wrapper(y);
    cpp_fused_add_0((const float*)(var_0), (float*)(var_1));)"),
              ElementsAre("y"));
}

TEST(PackageEffects, InputsOfExternKernelsAreNotWritten) {
  EXPECT_THAT(written(R"(
    // Topologically Sorted Source Nodes: [linear], Original ATen: [aten.view, aten.t, aten.addmm]
    AOTI_TORCH_ERROR_CODE_CHECK(aoti_torch_cpu_addmm_out(buf0, x, wrap_with_raii_handle_if_needed(reinterpret_tensor_wrapper(y, 2, int_array_0, int_array_0, 0L)), wrap_with_raii_handle_if_needed(reinterpret_tensor_wrapper(w, 2, int_array_0, int_array_0, 0L)), 1L, 1L));
    AOTI_TORCH_ERROR_CODE_CHECK(aoti_torch_cuda_convolution(x, w, &temporary_reference(net_cache.get()), static_cast<const int64_t*>(std::array<int64_t, 2>{1L, 1L}.data()), 2, 0, 1L, &buf2_handle));
    RAIIAtenTensorHandle buf2(buf2_handle);
    auto buf3 = std::move(buf2);  // reuse
    cpp_fused_relu_0((float*)(buf3.data_ptr()));
    AOTI_TORCH_ERROR_CODE_CHECK(aoti_torch_cuda__scaled_dot_product_flash_attention(x, y, net_cache, 0.0, 0, 0, &var_0, &buf4_handle, &buf5_handle, nullptr, nullptr, &buf6_handle, &buf7_handle, &buf8_handle, &buf9_handle, nullptr));
    AOTI_TORCH_ERROR_CODE_CHECK(aoti_torch_cpu_cat(static_cast<const AtenTensorHandle*>(std::array<AtenTensorHandle, 2>{x, y}.data()), 2, 0L, &buf10_handle));
    AOTI_TORCH_ERROR_CODE_CHECK(aoti_torch_clone(net_cache, &output_handles[0]));
    AOTI_TORCH_ERROR_CODE_CHECK(aoti_torch_item_int64(y, &u0_raw));
    aoti_torch_print_tensor_handle(x, "before_launch - aoti_torch_cpu_mm_out - x");)"),
              IsEmpty());
}

TEST(PackageEffects, AnExternKernelWritesToItsFirstArgument) {
  EXPECT_THAT(written("AOTI_TORCH_ERROR_CODE_CHECK(aoti_torch_cpu_mm_out(x, y, w));"), ElementsAre("x"));
  EXPECT_THAT(written("AOTI_TORCH_ERROR_CODE_CHECK(aoti_torch_copy_(net_cache, x, 0));"), ElementsAre("net.cache"));
  EXPECT_THAT(written(R"(AOTI_TORCH_ERROR_CODE_CHECK(aoti_torch_cpu_scatter_reduce_two_out(x,x,0,y,w, "prod",1));)"),
              ElementsAre("x"));
  EXPECT_THAT(written("AOTI_TORCH_ERROR_CODE_CHECK(aoti_torch_cuda_index_put_out(net_cache, net_cache, "
                      "std::array<AtenTensorHandle, 1>{y}.data(), 1, x, false));"),
              ElementsAre("net.cache"));
  // The operator's result is its first argument.
  EXPECT_THAT(written(R"(
    AOTI_TORCH_ERROR_CODE_CHECK(aoti_torch_cpu_mkldnn__convolution_pointwise_binary_(buf0, y, w, nullptr, &buf1_handle));
    AOTI_TORCH_ERROR_CODE_CHECK(aoti_torch_cpu_mkldnn__convolution_pointwise_binary_(x, y, w, nullptr, &buf2_handle));)"),
              ElementsAre("x"));
}

TEST(PackageEffects, ViewsAndMovesAreFollowed) {
  EXPECT_THAT(written("AOTI_TORCH_ERROR_CODE_CHECK(aoti_torch_zero_(wrap_with_raii_handle_if_needed("
                      "reinterpret_tensor_wrapper(x, 1, int_array_0, int_array_0, 3L))));"),
              ElementsAre("x"));
  EXPECT_THAT(written(R"(
    auto var_0 = wrap_with_raii_handle_if_needed(reinterpret_tensor_wrapper(y, 2, int_array_0, int_array_0, 0L));
    auto buf1 = std::move(var_0);  // reuse
    cpp_fused_0((float*)(buf1.data_ptr()));)"),
              ElementsAre("y"));
  EXPECT_THAT(written(R"(
    AtenTensorHandle tmp_x_1;
    AOTI_TORCH_ERROR_CODE_CHECK(aoti_torch_cuda_view_dtype(x, cached_torch_dtype_int32, &tmp_x_1));
    cpp_fused_0((int32_t*)(RAIIAtenTensorHandle(tmp_x_1).data_ptr()));)"),
              ElementsAre("x"));
  EXPECT_THAT(written(R"(
    AtenTensorHandle buf1_handle;
    AOTI_TORCH_ERROR_CODE_CHECK(aoti_torch_cpu_slice_Tensor(net_cache, 1, 0, 2, 1, &buf1_handle));
    RAIIAtenTensorHandle buf1(buf1_handle);
    AOTI_TORCH_ERROR_CODE_CHECK(aoti_torch_cpu_fill__Scalar(buf1, 0.0));)"),
              ElementsAre("net.cache"));
}

TEST(PackageEffects, SharedShapeArraysDoNotLinkTensors) {
  EXPECT_THAT(written(R"(
    auto var_0 = wrap_with_raii_handle_if_needed(reinterpret_tensor_wrapper(w, 2, int_array_0, int_array_0, 0L));
    auto var_1 = wrap_with_raii_handle_if_needed(reinterpret_tensor_wrapper(buf0, 2, int_array_0, int_array_0, 0L));
    cpp_fused_0((float*)(var_1.data_ptr()));)"),
              IsEmpty());
}

TEST(PackageEffects, AReturnedInputIsNotWritten) {
  EXPECT_THAT(written("output_handles[1] = x.release();\noutput_handles[2] = output_handles[1];"), IsEmpty());
  EXPECT_THAT(
      written("output_handles[1] = x.release();\nAOTI_TORCH_ERROR_CODE_CHECK(aoti_torch_zero_(output_handles[1]));"),
      ElementsAre("x"));
}

// The source is shortened: the rest of the body loads and launches the kernel.
constexpr std::string_view kTriton = R"(
template <typename in_ptr0_type_, typename in_ptr1_type_, typename out_ptr0_type_, typename kernels_type_>
static __attribute__((noinline)) void call_triton_poi_fused_add_0(
    const in_ptr0_type_& in_ptr0,
    const in_ptr1_type_& in_ptr1,
    const out_ptr0_type_& out_ptr0,
    int64_t xnumel,
    int32_t device_idx_,
    cudaStream_t stream_,
    kernels_type_& kernels_,
    const std::optional<std::string>& cubin_dir_ = std::nullopt
){
    /*
    @triton_heuristics.pointwise(
        inductor_meta={'grid_type': 'Grid1D', 'kernel_name': 'triton_poi_fused_add_0', 'mutated_arg_names': ['in_ptr1', 'out_ptr0'], 'num_load': 2},
    )
    def triton_poi_fused_add_0(in_ptr0, in_ptr1, out_ptr0, xnumel, XBLOCK : tl.constexpr):
    */
    CUdeviceptr var_0 = reinterpret_cast<CUdeviceptr>(in_ptr0.data_ptr());
    void* kernel_args_[] = {&var_0};
    launchKernel(kernels_.triton_poi_fused_add_0, grid_0, grid_1, grid_2, 4, 0, kernel_args_, stream_);
}

template <typename in_out_ptr0_type_, typename in_ptr0_type_, typename kernels_type_>
static inline void call_triton_red_fused_1(
    const in_out_ptr0_type_& in_out_ptr0,
    const in_ptr0_type_& in_ptr0,
    kernels_type_& kernels_
){
}

static inline void call_triton_tem_fused_mm_2(
    const arg_A_type_& arg_A,
    const arg_LSE_type_& arg_LSE,
    const out_ptr0_type_& out_ptr0
){
}

static inline void call_triton_mine_3(
    const in_ptr0_type_& in_ptr0,
    const out_ptr0_type_& out_ptr0
){
    /*
    @triton_heuristics.user_autotune(
    */
}
)";

TEST(PackageEffects, ATritonKernelDoesNotWriteToItsInputs) {
  const auto after = [](std::string_view call) { return written(call, kTriton); };
  EXPECT_THAT(
      after("call_triton_poi_fused_add_0(x, buf0, buf0, 32L, this->device_idx_, stream, kernels, this->cubin_dir_);"),
      IsEmpty());
  EXPECT_THAT(
      after("call_triton_poi_fused_add_0(x, buf0, y, 32L, this->device_idx_, stream, kernels, this->cubin_dir_);"),
      ElementsAre("y"));
  EXPECT_THAT(after("call_triton_red_fused_1(net_cache, x, kernels);"), ElementsAre("net.cache"));
  EXPECT_THAT(after("call_triton_tem_fused_mm_2(x, buf0, buf0);"), IsEmpty());
  EXPECT_THAT(after("call_triton_tem_fused_mm_2(x, y, buf0);"), ElementsAre("y"));
}

TEST(PackageEffects, MutatedArgumentsOfATritonKernelAreWritten) {
  EXPECT_THAT(written("call_triton_poi_fused_add_0(x, y, buf0, 32L);", kTriton), ElementsAre("y"));
}

TEST(PackageEffects, AUsersTritonKernelMayWriteToAllArguments) {
  EXPECT_THAT(written("call_triton_mine_3(x, buf0);", kTriton), ElementsAre("x"));
  EXPECT_THAT(written("call_add_kernel_0(x, y, buf0);",
                      "static inline void call_add_kernel_0(\n"
                      "    const in_ptr0_type_& in_ptr0,\n"
                      "    const in_ptr1_type_& in_ptr1,\n"
                      "    const out_ptr0_type_& out_ptr0\n){\n}\n"),
              ElementsAre("x", "y"));
  // This kernel is not in the source.
  EXPECT_THAT(written("call_triton_poi_fused_9(x, buf0);", kTriton), ElementsAre("x"));
}

TEST(PackageEffects, ATensorMemoryDescriptorStandsForItsTensor) {
  EXPECT_THAT(written(R"(
    alignas(64) StableTMADescriptor desc_0;
    desc_0.block_shape[0] = 64;
    initTMADescriptor(&desc_0.m, reinterpret_cast<void*>(*(y)), 4, 1, desc_0.block_shape, desc_0.global_shape, desc_0.strides);
    call_add_kernel_0(desc_0, buf0);)"),
              ElementsAre("y"));
}

// As PyTorch 2.15 writes it: the wrapper of the kernel makes the descriptor.
TEST(PackageEffects, ATensorMemoryDescriptorWithAnAddressStandsForItsTensor) {
  EXPECT_THAT(written(R"(
    alignas(64) StableTMADescriptor desc_0{};
    desc_0.block_shape[0] = 64;
    desc_0.global_address = reinterpret_cast<void*>(*(y));
    call_add_kernel_0(desc_0, buf0);)"),
              ElementsAre("y"));
}

TEST(PackageEffects, ACutlassKernelWritesToNonConstArguments) {
  EXPECT_THAT(written("kernels.cuda_fused_0((const half*)(x.data_ptr()), (const half*)(w.data_ptr()), "
                      "(half*)(y.data_ptr()), (uint8_t*)(nullptr), stream);"),
              ElementsAre("y"));
}

TEST(PackageEffects, AnAlignedCopyStandsForItsInput) {
  EXPECT_THAT(written(R"(
    if ((reinterpret_cast<std::uintptr_t>(x.data_ptr()) & (16 -1)) != 0) {
        AOTI_TORCH_WARN("Input 0 was compiled as 16-bytes aligned, but it is not aligned at run time.");
        AtenTensorHandle x_aligned;
        AOTI_TORCH_ERROR_CODE_CHECK(aoti_torch_clone_preserve_strides(x, &x_aligned));
        x = std::move(RAIIAtenTensorHandle(x_aligned));
    }
    call_triton_red_fused_1(x, y, kernels);)",
                      kTriton),
              ElementsAre("x"));
}

TEST(PackageEffects, BranchesAreFollowed) {
  constexpr std::string_view kBranch = R"(
    RAIIAtenTensorHandle buf1;
    int64_t y_scalar;
    AOTI_TORCH_ERROR_CODE_CHECK(aoti_torch_item_int64(y, &y_scalar));
    if (y_scalar == 0) {
        // subgraph: false_graph_0
        AtenTensorHandle false_graph_0_arg0_1_handle;
        AOTI_TORCH_ERROR_CODE_CHECK(aoti_torch_assign_tensors_out(x, &false_graph_0_arg0_1_handle));
        RAIIAtenTensorHandle false_graph_0_arg0_1(false_graph_0_arg0_1_handle);
        cpp_fused_sub_0((const float*)(false_graph_0_arg0_1.data_ptr()), (float*)(false_graph_0_buf0.data_ptr()));
        buf1.reset();
        buf1 = std::move(false_graph_0_buf0);
    } else {
        // subgraph: true_graph_0
        AtenTensorHandle true_graph_0_arg1_1_handle;
        AOTI_TORCH_ERROR_CODE_CHECK(aoti_torch_assign_tensors_out(net_cache, &true_graph_0_arg1_1_handle));
        RAIIAtenTensorHandle true_graph_0_arg1_1(true_graph_0_arg1_1_handle);
        cpp_fused_add_1((const float*)(true_graph_0_arg1_1.data_ptr()), (float*)(true_graph_0_)";
  EXPECT_THAT(written(std::string(kBranch) + "buf0.data_ptr()));\n    }\n"), IsEmpty());
  EXPECT_THAT(written(std::string(kBranch) + "arg1_1.data_ptr()));\n    }\n"), ElementsAre("net.cache"));
}

TEST(PackageEffects, HandlesAreFollowedThroughLoops) {
  EXPECT_THAT(written(R"(
    AOTI_TORCH_ERROR_CODE_CHECK(aoti_torch_new_uninitialized_tensor(&buf2_handle));
    RAIIAtenTensorHandle buf2(buf2_handle);
    while (1) {
        cpp_fused_1((float*)(buf2.data_ptr()));
        if (!buf1_cond_result_scalar) break;
        AOTI_TORCH_ERROR_CODE_CHECK(aoti_torch_assign_tensors_out(x, &body_arg0_1_handle));
        RAIIAtenTensorHandle body_arg0_1(body_arg0_1_handle);
        buf2.reset();
        buf2 = std::move(body_arg0_1);
    })"),
              ElementsAre("x"));
}

constexpr std::string_view kProxy =
    "AtenTensorHandle buf1_handle;  // output buffer\n"
    "AOTI_TORCH_ERROR_CODE_CHECK(aoti_torch_new_uninitialized_tensor(&buf1_handle));\n"
    "RAIIAtenTensorHandle buf1(buf1_handle);\n"
    "AOTI_TORCH_ERROR_CODE_CHECK(aoti_torch_proxy_executor_call_function(proxy_executor, 1, 1, std::array<int64_t, "
    "1>{2}.data(), 3, std::array<AtenTensorHandle, 3>{x, net_cache, buf1}.data()));\n";

std::string nodes(const std::string& target) {
  return R"({"nodes": [{"name": "buf9", "node": {"target": "mine::first", "inputs": [{"name": "target", "arg": {"as_string": "\"target\": \"aten::x\""}}]}}, )"
         R"({"name": "buf1", "node": {"target": ")" +
         target + R"(", "inputs": [{"name": "self", "arg": {"as_tensor": {"name": "x"}}, "kind": 1}]}}]})";
}

TEST(PackageEffects, ACustomOperatorMayWriteToAllArguments) {
  for (const auto& effects : {effects(kProxy), effects(kProxy, {}, nodes("mine::add")), effects(kProxy, {}, "{}")}) {
    EXPECT_THAT(written(effects), ElementsAre("net.cache", "x"));
    EXPECT_TRUE(effects.has_hidden_state);
  }
  EXPECT_FALSE(effects("").has_hidden_state);
}

TEST(PackageEffects, AtenOperatorsAreKnownByName) {
  const auto after = [](const std::string& target) { return effects(kProxy, {}, nodes(target)); };
  EXPECT_THAT(written(after("aten::grid_sampler_3d")), IsEmpty());
  EXPECT_FALSE(after("aten::grid_sampler_3d").has_hidden_state);
  EXPECT_THAT(written(after("aten::copy_")), ElementsAre("x"));
  for (const auto* target :
       {"aten::masked_fill_.Scalar", "aten::sort.values_stable_out", "aten::_native_batch_norm_legit"}) {
    EXPECT_THAT(written(after(target)), ElementsAre("net.cache", "x")) << target;
  }
}

TEST(PackageEffects, RandomAtenOperatorsAreKnownByName) {
  EXPECT_TRUE(effects(kProxy, {}, nodes("aten::multinomial")).draws_random_numbers);
  EXPECT_FALSE(effects(kProxy, {}, nodes("aten::sort")).draws_random_numbers);
}

TEST(PackageEffects, AnAtenOperatorMayReturnAView) {
  const std::string text = std::string(kProxy) + "cpp_fused_0((float*)(buf1.data_ptr()));";
  EXPECT_THAT(written(text, {}, nodes("aten::unfold")), ElementsAre("net.cache", "x"));
}

TEST(PackageEffects, UnknownCallsMayWriteToAllArguments) {
  EXPECT_THAT(written("cudaMemcpyAsync(buf0.data_ptr(), x.data_ptr(), 128, cudaMemcpyDefault, stream);"),
              ElementsAre("x"));
  EXPECT_THAT(written("x.fill_(0);"), ElementsAre("x"));
  EXPECT_THAT(written("subgraph_0(stream, y, &buf1_handle);"), ElementsAre("y"));
  EXPECT_THAT(written("std::vector<AtenTensorHandle> both{x, y};\n  helper(both.data());"), ElementsAre("x", "y"));
  EXPECT_THAT(written("AOTI_TORCH_ERROR_CODE_CHECK(aoti_torch_cuda_set__source_Tensor(buf0, y));"), ElementsAre("y"));
  EXPECT_THAT(written("helper((const AtenTensorHandle*)(std::array<AtenTensorHandle, 1>{x}.data()));"),
              ElementsAre("x"));
  EXPECT_THAT(written("helper(static_cast<const AtenTensorHandle*>(std::array<AtenTensorHandle, 1>{x}.data()));"),
              ElementsAre("x"));
}

TEST(PackageEffects, AForeignShimMayKeepState) {
  const auto after = effects("AOTI_TORCH_ERROR_CODE_CHECK(aoti_torch_cpu_my_operator(x, buf0, &buf1_handle));");
  EXPECT_THAT(written(after), ElementsAre("x"));
  EXPECT_TRUE(after.has_hidden_state);
  EXPECT_FALSE(effects("AOTI_TORCH_ERROR_CODE_CHECK(aoti_torch_get_current_cuda_stream(0, (void**)&stream0));\n"
                       "AOTI_TORCH_ERROR_CODE_CHECK(aoti_torch_cpu_mm_out(buf0, x, w));")
                   .has_hidden_state);
}

TEST(PackageEffects, RandomNumbersAreDetected) {
  EXPECT_FALSE(effects("").draws_random_numbers);
  EXPECT_TRUE(effects("AOTI_TORCH_ERROR_CODE_CHECK(aoti_torch_cpu_randint_low_out(buf0, -9223372036854775808L, "
                      "9223372036854775807L, static_cast<const int64_t*>(std::array<int64_t, 1>{1L}.data()), 1));")
                  .draws_random_numbers);
  // Only the seed is drawn at random, not these numbers.
  EXPECT_FALSE(
      effects("cpp_fused_rand_0((const int64_t*)(x.data_ptr()), (float*)(buf0.data_ptr()));").draws_random_numbers);
}

TEST(PackageEffects, AttentionDrawsRandomNumbersForItsDropout) {
  const auto draws = [](const std::string& probability) {
    return effects(
               "AOTI_TORCH_ERROR_CODE_CHECK(aoti_torch_cuda__scaled_dot_product_efficient_attention(x, y, y, "
               "&temporary_reference(w.get()), 0, " +
               probability + ", 0, &var_1, &buf1_handle, &buf2_handle, &buf3_handle, &buf4_handle));")
        .draws_random_numbers;
  };
  EXPECT_FALSE(draws("0.0"));
  EXPECT_TRUE(draws("0.1"));
  EXPECT_TRUE(draws("p"));
}

// As PyTorch 2.14 writes `with torch.cuda.stream(…)` inside a model.
TEST(PackageEffects, StreamsOfTheModelAreSeen) {
  constexpr std::string_view kCache = "static thread_local AotiAuxStreamCache _aoti_aux_stream_cache;\n";
  const auto has_own_streams = [&](std::string_view statements) {
    return effects_of_source(wrapper(statements, kCache), 2).has_own_streams;
  };
  EXPECT_FALSE(has_own_streams(""));  // models with events alone declare the cache, too
  constexpr std::string_view kStream =
      "_aoti_aux_stream_cache.ensure(1, this->device_idx_, stream);\n"
      "cudaStream_t aux_1 = _aoti_aux_stream_cache.get(1, this->device_idx_, stream);";
  EXPECT_TRUE(has_own_streams(kStream));
  EXPECT_TRUE(has_own_streams(std::string(kStream) + "}"));  // where the rest is not understood
}

TEST(PackageEffects, CommentsAndStringsAreIgnored) {
  EXPECT_THAT(written(R"TEXT(
    // cpp_fused_0((float*)(x.data_ptr()));
    /* aoti_torch_zero_(x); */
    KernelContextGuard _ctx("aoti_torch_zero_(x)", R"(
        File "model.py", line 3, in forward, x.add_(1); } "
    )");
    throw std::runtime_error("x = \" { (" + std::to_string(u0));)TEXT"),
              IsEmpty());
}

// Checks that all inputs and constants count as written to, and that nothing else is known.
void expect_unknown(std::string_view source, std::size_t inputs) {
  const auto effects = effects_of_source(source, inputs);
  EXPECT_FALSE(effects.is_known) << source;
  EXPECT_EQ(effects.writes_input, std::vector<bool>(inputs, true));
  EXPECT_TRUE(effects.draws_random_numbers);
  EXPECT_TRUE(effects.has_hidden_state);
  for (const auto& constant : effects.constants) EXPECT_TRUE(constant.is_written) << constant.name;
}

TEST(PackageEffects, AnUnreadableSourceIsUnknown) {
  ASSERT_TRUE(effects("").is_known);
  expect_unknown("", 3);
  expect_unknown("\"", 1);
  expect_unknown("R\"(", 1);
  expect_unknown("void AOTInductorModel::run_impl(", 1);
  // The number of inputs is another one.
  expect_unknown(wrapper(""), 1);
  expect_unknown(wrapper(""), 3);
  // Two functions run the model, or brackets do not match.
  expect_unknown(wrapper("") + wrapper(""), 2);
  expect_unknown(wrapper("foo(x));"), 2);
  expect_unknown(wrapper("}"), 2);
  // Nobody follows these handles.
  expect_unknown(wrapper("helper(input_handles);"), 2);
  expect_unknown(wrapper("helper(inputs);"), 2);
  expect_unknown(wrapper("auto z = std::move(inputs[2]);"), 2);
  expect_unknown(wrapper("auto& other = constants_->at(2);"), 2);
  expect_unknown(wrapper("helper(*constants_);"), 2);
  expect_unknown(wrapper("auto run = [&] { x.reset(); };"), 2);
}

TEST(PackageEffects, ATruncatedSourceIsUnknown) {
  const std::string whole = wrapper("cpp_fused_add_0((float*)(x.data_ptr()));");
  const std::size_t end = whole.find("} // AOTInductorModel::run_impl");
  for (std::size_t size = 0; size <= end; size += 7) expect_unknown(whole.substr(0, size), 2);
}

}  // namespace
}  // namespace greenlane::detail
