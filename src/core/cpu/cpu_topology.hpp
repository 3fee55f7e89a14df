// The CPUs that this process may use, and the processor's name.
#pragma once

#include <string>
#include <vector>

namespace greenlane::detail {

// Returns the CPUs that this process's first thread could use at the first call. Siblings of one physical core are next
// to each other, so that neighbouring partitions share few cores.
[[nodiscard]] const std::vector<int>& allowed_cpus();
// Returns the same for the present moment.
[[nodiscard]] std::vector<int> read_allowed_cpus();
[[nodiscard]] std::string cpu_model_name();

}  // namespace greenlane::detail
