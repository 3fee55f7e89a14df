// Which CPUs this process may use, and what the processor is called.
#pragma once

#include <string>
#include <vector>

namespace greenlane::detail {

// The CPUs that this process's first thread might use when this was first asked. Siblings of one physical
// core stand next to each other, so that neighbouring partitions share few cores.
[[nodiscard]] const std::vector<int>& allowed_cpus();
// The same as they are now.
[[nodiscard]] std::vector<int> read_allowed_cpus();
[[nodiscard]] std::string cpu_model_name();

}  // namespace greenlane::detail
