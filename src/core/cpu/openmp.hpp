// The OpenMP runtime of the process, where PyTorch or another library brought one. Core links none.
#pragma once

#include <string>
#include <vector>

namespace greenlane::detail {

// The CPUs that OpenMP binds its threads to, each to a place of its own choice; none where it does not bind threads.
[[nodiscard]] std::vector<int> cpus_that_openmp_binds_to();

// The environment variables by which a user tells OpenMP to do so, as they are set: "OMP_PROC_BIND=true".
[[nodiscard]] std::string openmp_binding_variables();

}  // namespace greenlane::detail
