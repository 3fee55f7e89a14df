#include "core/cuda/driver_check.hpp"

#include <greenlane/core/error.hpp>

namespace greenlane::detail {

const driver::Table& require_driver() {
  if (const auto* table = driver::find()) return *table;
  if (driver::is_lost_in_fork())  // the reason ends with the remedy
    throw DeviceError(
        {.what = "no GPU can be used in this process", .why = driver::unavailable_reason(), .remedy = ""});
  throw DeviceError({.what = "there is no CUDA device here",
                     .why = driver::unavailable_reason(),
                     .remedy = "install NVIDIA's driver on a machine that has a GPU, or use the device cpu"});
}

std::string describe(const driver::Table& driver, CUresult result) {
  if (driver::is_lost_in_fork()) return "no answer (" + driver::unavailable_reason() + ")";
  const char* name = nullptr;
  const char* text = nullptr;
  driver.cuGetErrorName(result, &name);
  driver.cuGetErrorString(result, &text);
  return std::string(name ? name : "unknown error " + std::to_string(result)) +
         (text ? " (" + std::string(text) + ")" : "");
}

void check(const driver::Table& driver, CUresult result, const char* call, const std::string& what) {
  if (result == CUDA_SUCCESS) return;
  throw DriverError({.what = what,
                     .why = std::string(call) + " gave " + describe(driver, result),
                     .remedy = "try again; if it fails again, check the GPU with `nvidia-smi`"},
                    static_cast<int>(result));
}

}  // namespace greenlane::detail
