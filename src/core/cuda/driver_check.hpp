// Conversion of the driver's result codes into exceptions.
#pragma once

#include "driver/table.hpp"

#include <string>

namespace greenlane::detail {

// Returns the table in force.
// Throws: DeviceError, with the reason, if there is no driver.
[[nodiscard]] const driver::Table& require_driver();

// Returns a text such as "CUDA_ERROR_INVALID_HANDLE (invalid resource handle)".
[[nodiscard]] std::string describe(const driver::Table& driver, CUresult result);

// Throws: DriverError unless `result` is CUDA_SUCCESS. `what` describes the failed action, and `call` names the
// driver's function.
void check(const driver::Table& driver, CUresult result, const char* call, const std::string& what);

}  // namespace greenlane::detail
