#include "stress/work.hpp"

#include "core/cuda/driver_check.hpp"

#include <greenlane/core/error.hpp>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string>
#include <vector>

namespace greenlane::stress {
namespace {

constexpr std::uint32_t kFactor = 1664525;
constexpr std::uint32_t kSeed = 1;
constexpr unsigned int kBlock = 256;

// The kernel as PTX, which the driver compiles, so that no GPU compiler is needed. Its factor is kFactor.
constexpr const char* kCode = R"(
.version 7.0
.target sm_70
.address_size 64
.visible .entry apply(.param .u64 words, .param .u32 addend, .param .u32 repeats)
{
  .reg .pred %more;
  .reg .b32 %block, %width, %index, %addend, %left, %x;
  .reg .b64 %address, %offset;
  ld.param.u64 %address, [words];
  ld.param.u32 %addend, [addend];
  ld.param.u32 %left, [repeats];
  cvta.to.global.u64 %address, %address;
  mov.u32 %block, %ctaid.x;
  mov.u32 %width, %ntid.x;
  mov.u32 %index, %tid.x;
  mad.lo.u32 %index, %block, %width, %index;
  mul.wide.u32 %offset, %index, 4;
  add.u64 %address, %address, %offset;
  ld.global.u32 %x, [%address];
again:
  mad.lo.u32 %x, %x, 1664525, %addend;
  sub.u32 %left, %left, 1;
  setp.ne.u32 %more, %left, 0;
  @%more bra again;
  st.global.u32 [%address], %x;
  ret;
}
)";

std::uint32_t addend_of(int kernel) { return static_cast<std::uint32_t>(kernel) + 1; }

const driver::Table& require_work() {
  const auto& driver = detail::require_driver();
  if (!driver.cuMemAlloc || !driver.cuMemFree || !driver.cuMemsetD32 || !driver.cuMemcpyDtoH ||
      !driver.cuModuleLoadData || !driver.cuModuleUnload || !driver.cuModuleGetFunction || !driver.cuLaunchKernel ||
      !driver.cuLaunchHostFunc)
    throw DeviceError({.what = "there is nothing to stress", .why = "this driver lacks calls for work", .remedy = ""});
  return driver;
}

}  // namespace

Affine Affine::power(std::uint64_t times) const noexcept {
  Affine result;
  for (Affine square = *this; times != 0; times >>= 1U, square = square.then(square)) {
    if ((times & 1U) != 0) result = result.then(square);
  }
  return result;
}

Kernel::Kernel(const Device& device) : driver_(require_work()), context_(driver_, device.id().index) {
  const detail::ContextScope scope(context_);
  const char* const what = "the kernel could not be loaded";
  detail::check(driver_, driver_.cuModuleLoadData(&module_, kCode), "cuModuleLoadData", what);
  detail::check(driver_, driver_.cuModuleGetFunction(&function_, module_, "apply"), "cuModuleGetFunction", what);
}

Kernel::~Kernel() {
  CUcontext popped = nullptr;
  if (driver_.cuCtxPushCurrent(context_.handle()) != CUDA_SUCCESS) return;
  driver_.cuModuleUnload(module_);
  driver_.cuCtxPopCurrent(&popped);
}

void Kernel::launch(StreamView stream, CUdeviceptr words, unsigned int count, std::uint32_t addend,
                    unsigned int repeats) const {
  std::array<void*, 3> arguments{&words, &addend, &repeats};
  detail::check(driver_,
                driver_.cuLaunchKernel(function_, count / kBlock, 1, 1, kBlock, 1, 1, 0, stream.handle(),
                                       arguments.data(), nullptr),
                "cuLaunchKernel", "a kernel could not be launched");
}

void Kernel::call_host(StreamView stream, CUhostFn function, void* argument) const {
  detail::check(driver_, driver_.cuLaunchHostFunc(stream.handle(), function, argument), "cuLaunchHostFunc",
                "a stream could not be kept from going on");
}

Chain::Chain(std::shared_ptr<const Kernel> kernel, const ChainShape& shape)
    : kernel_(std::move(kernel)), shape_(shape) {
  const auto& driver = kernel_->context().driver();
  const detail::ContextScope scope(kernel_->context());
  const char* const what = "memory for a chain of kernels could not be had";
  detail::check(driver, driver.cuMemAlloc(&memory_, shape_.words * sizeof(std::uint32_t)), "cuMemAlloc", what);
  try {
    detail::check(driver, driver.cuMemsetD32(memory_, kSeed, shape_.words), "cuMemsetD32", what);
    // The memset goes on after the call has returned, and lanes do not wait for the default stream.
    detail::check(driver, driver.cuStreamSynchronize(nullptr), "cuStreamSynchronize", what);
  } catch (...) {
    driver.cuMemFree(memory_);
    throw;
  }
}

Chain::~Chain() {
  const auto& context = kernel_->context();
  CUcontext popped = nullptr;
  if (context.driver().cuCtxPushCurrent(context.handle()) != CUDA_SUCCESS) return;
  context.driver().cuMemFree(memory_);
  context.driver().cuCtxPopCurrent(&popped);
}

Graph Chain::capture(const Lane& lane) const {
  const detail::ContextScope scope(kernel_->context());
  return Graph::capture(lane, [&] {
    for (int kernel = 0; kernel < shape_.kernels; ++kernel)
      kernel_->launch(lane.stream(), memory_, shape_.words, addend_of(kernel), shape_.repeats);
  });
}

void Chain::check(std::uint64_t runs) const {
  Affine once;
  for (int kernel = 0; kernel < shape_.kernels; ++kernel)
    once = once.then(Affine{.factor = kFactor, .addend = addend_of(kernel)}.power(shape_.repeats));
  const auto expected = once.power(runs)(kSeed);

  const auto& driver = kernel_->context().driver();
  const detail::ContextScope scope(kernel_->context());
  std::vector<std::uint32_t> words(shape_.words);
  detail::check(driver, driver.cuMemcpyDtoH(words.data(), memory_, words.size() * sizeof(words[0])), "cuMemcpyDtoH",
                "a result could not be read");
  const auto wrong = std::ranges::count_if(words, [&](std::uint32_t word) { return word != expected; });
  if (wrong == 0) return;
  throw std::runtime_error(std::to_string(wrong) + " of " + std::to_string(words.size()) + " words are wrong after " +
                           std::to_string(runs) + " runs: a slice was lost, ran twice or out of order");
}

}  // namespace greenlane::stress
