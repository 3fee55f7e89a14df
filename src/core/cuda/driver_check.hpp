// Turning the driver's result codes into exceptions.
#pragma once

#include "driver/table.hpp"

#include <string>

namespace greenlane::detail {

// The table in force. Throws DeviceError, with the reason, where there is no driver.
[[nodiscard]] const driver::Table& require_driver();

// "CUDA_ERROR_INVALID_HANDLE (invalid resource handle)".
[[nodiscard]] std::string describe(const driver::Table& driver, CUresult result);

// Throws DriverError unless `result` is CUDA_SUCCESS. `what` says what was being tried, `call` names the driver's
// function.
void check(const driver::Table& driver, CUresult result, const char* call, const std::string& what);

}  // namespace greenlane::detail
