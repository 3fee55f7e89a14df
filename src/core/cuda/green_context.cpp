#include "core/cuda/green_context.hpp"

#include "core/cuda/capture_mode.hpp"
#include "core/cuda/driver_check.hpp"

namespace greenlane::detail {
namespace {

// Returns the smallest group that the driver gives out without the flag that ignores co-scheduling. With that flag the
// steps are finer, but kernels with clusters fail there (cuBLAS on Hopper does), so it is never used.
unsigned int smallest_group(int compute_capability) {
  if (compute_capability >= 90) return 8;
  if (compute_capability >= 80) return 4;
  return 2;
}

}  // namespace

SmSplit split_sms(const driver::Table& driver, CUdevice device, int compute_capability) {
  const std::string what = "the SMs of cuda:" + std::to_string(device) + " could not be divided";
  CUdevResource all{};
  check(driver, driver.cuDeviceGetDevResource(device, &all, CU_DEV_RESOURCE_TYPE_SM), "cuDeviceGetDevResource", what);

  unsigned int group = smallest_group(compute_capability);
  unsigned int count = 0;
  while (true) {
    const CUresult result = driver.cuDevSmResourceSplitByCount(nullptr, &count, &all, nullptr, 0, group);
    if (result == CUDA_SUCCESS && count > 0) break;
    // Some GPUs refuse their architecture's size; a larger size then works.
    const bool refused = result == CUDA_SUCCESS || result == CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION ||
                         result == CUDA_ERROR_INVALID_VALUE;
    if (!refused || group * 2 > all.sm.smCount) {
      check(driver, result == CUDA_SUCCESS ? CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION : result,
            "cuDevSmResourceSplitByCount", what);
    }
    group *= 2;
  }

  SmSplit split;
  split.groups.resize(count);
  CUdevResource remainder{};
  check(driver, driver.cuDevSmResourceSplitByCount(split.groups.data(), &count, &all, &remainder, 0, group),
        "cuDevSmResourceSplitByCount", what);
  split.groups.resize(count);
  if (count > 0) split.group_units = static_cast<int>(split.groups.front().sm.smCount);
  if (remainder.type == CU_DEV_RESOURCE_TYPE_SM && remainder.sm.smCount > 0) {
    split.remainder_units = static_cast<int>(remainder.sm.smCount);
    split.groups.push_back(remainder);
  }
  return split;
}

GreenContext::GreenContext(std::shared_ptr<PrimaryContext> primary, const SmSplit& split, std::span<const int> groups)
    : primary_(std::move(primary)), groups_(groups.begin(), groups.end()) {
  const auto& driver = primary_->driver();
  const RelaxedCaptureMode while_others_capture(driver);
  const std::string what = "a partition of cuda:" + std::to_string(primary_->device()) + " could not be made";
  std::vector<CUdevResource> resources;
  resources.reserve(groups_.size());
  for (const int index : groups_) resources.push_back(split.groups[static_cast<std::size_t>(index)]);
  CUdevResourceDesc description = nullptr;
  check(driver,
        driver.cuDevResourceGenerateDesc(&description, resources.data(), static_cast<unsigned int>(resources.size())),
        "cuDevResourceGenerateDesc", what);
  check(driver, driver.cuGreenCtxCreate(&handle_, description, primary_->device(), CU_GREEN_CTX_DEFAULT_STREAM),
        "cuGreenCtxCreate", what);
}

GreenContext::GreenContext(std::shared_ptr<PrimaryContext> primary, CUgreenCtx foreign)
    : primary_(std::move(primary)), handle_(foreign), foreign_(true) {}

GreenContext::~GreenContext() {
  if (foreign_) return;
  const RelaxedCaptureMode while_others_capture(primary_->driver());
  primary_->driver().cuGreenCtxDestroy(handle_);
}

std::optional<Units> GreenContext::units() const {
  const auto& driver = primary_->driver();
  CUdevResource resource{};
  if (!driver.cuGreenCtxGetDevResource ||
      driver.cuGreenCtxGetDevResource(handle_, &resource, CU_DEV_RESOURCE_TYPE_SM) != CUDA_SUCCESS)
    return std::nullopt;
  return Units{static_cast<int>(resource.sm.smCount)};
}

std::optional<std::uint64_t> green_context_id(const driver::Table& driver, CUgreenCtx green) {
  unsigned long long id = 0;  // NOLINT(google-runtime-int): the driver's type
  if (driver.cuGreenCtxGetId(green, &id) != CUDA_SUCCESS) return std::nullopt;
  return id;
}

}  // namespace greenlane::detail
