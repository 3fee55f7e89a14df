// The OpenMP runtime of the process, if PyTorch or another library brought one. Core links none.
#pragma once

#include <string>
#include <vector>

namespace greenlane::detail {

// Returns the CPUs of the places that OpenMP binds its threads to; empty if it does not bind threads.
[[nodiscard]] std::vector<int> cpus_that_openmp_binds_to();

// Returns the environment variables that request such a binding, as they are set: "OMP_PROC_BIND=true".
[[nodiscard]] std::string openmp_binding_variables();

}  // namespace greenlane::detail
