#include "core/cuda/kernel_libraries.hpp"

#include "core/cuda/capture_mode.hpp"

#include <array>
#include <cstddef>
#include <utility>

namespace greenlane::detail {

KernelLibraries::KernelLibraries(std::shared_ptr<PrimaryContext> primary, const KernelCode::Images& images)
    : primary_(std::move(primary)), images_(images) {
  const auto& driver = primary_->driver();
  const RelaxedCaptureMode while_others_capture(driver);
  const ContextScope scope(*primary_);
  for (std::size_t i = 0; i < images.size(); ++i) {
    CUlibrary library = nullptr;
    if (driver.cuLibraryLoadData(&library, images[i].data(), nullptr, nullptr, 0, nullptr, nullptr, 0) == CUDA_SUCCESS)
      libraries_.push_back({.handle = library, .image = i});
  }
}

KernelLibraries::~KernelLibraries() {
  const RelaxedCaptureMode while_others_capture(primary_->driver());
  for (const auto& library : libraries_) primary_->driver().cuLibraryUnload(library.handle);
}

std::shared_ptr<KernelLibraries> KernelLibraries::of(KernelCode& code, const std::shared_ptr<PrimaryContext>& primary) {
  if (!code.libraries) code.libraries = std::make_shared<KernelLibraries>(primary, code.images());
  return std::static_pointer_cast<KernelLibraries>(code.libraries);
}

CUkernel KernelLibraries::find(CUfunction function) const {
  const auto& driver = primary_->driver();
  const char* name = nullptr;
  if (driver.cuFuncGetName(&name, function) != CUDA_SUCCESS || !name) return nullptr;
  CUkernel found = nullptr;
  const std::string* image = nullptr;
  for (const auto& library : libraries_) {
    CUkernel kernel = nullptr;
    if (driver.cuLibraryGetKernel(&kernel, library.handle, name) != CUDA_SUCCESS || !is_same(function, kernel))
      continue;
    if (found && *image != images_[library.image]) return nullptr;
    found = kernel;
    image = &images_[library.image];
  }
  if (!found) return nullptr;
  constexpr auto kShared = CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
  int shared = 0;
  if (driver.cuFuncGetAttribute(&shared, kShared, function) != CUDA_SUCCESS ||
      driver.cuKernelSetAttribute(kShared, shared, found, primary_->device()) != CUDA_SUCCESS)
    return nullptr;
  return found;
}

bool KernelLibraries::is_same(CUfunction function, CUkernel kernel) const {
  const auto& driver = primary_->driver();
  constexpr std::array kAttributes{
      CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES, CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES,
      CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES,      CU_FUNC_ATTRIBUTE_NUM_REGS,          CU_FUNC_ATTRIBUTE_PTX_VERSION,
      CU_FUNC_ATTRIBUTE_BINARY_VERSION};
  for (const auto attribute : kAttributes) {
    int of_function = 0;
    int of_kernel = 0;
    if (driver.cuFuncGetAttribute(&of_function, attribute, function) != CUDA_SUCCESS ||
        driver.cuKernelGetAttribute(&of_kernel, attribute, kernel, primary_->device()) != CUDA_SUCCESS ||
        of_function != of_kernel)
      return false;
  }
  for (std::size_t index = 0;; ++index) {
    std::pair<std::size_t, std::size_t> of_function;  // offset, size
    std::pair<std::size_t, std::size_t> of_kernel;
    const auto one = driver.cuFuncGetParamInfo(function, index, &of_function.first, &of_function.second);
    const auto other = driver.cuKernelGetParamInfo(kernel, index, &of_kernel.first, &of_kernel.second);
    if (one != other || of_function != of_kernel) return false;
    if (one != CUDA_SUCCESS) return true;  // both have as many parameters
  }
}

}  // namespace greenlane::detail
