// The advice on long kernels, as run and audit print it.
#pragma once

#include <greenlane/detail/runtime/results.hpp>

namespace greenlane::cli {

void print_long_kernels(const runtime::ModeResult& result);

}  // namespace greenlane::cli
