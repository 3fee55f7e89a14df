// Which CPUs this process may use, and what the processor is called.
#pragma once

#include <string>
#include <vector>

namespace greenlane::detail {

// The CPUs in the affinity mask of this process's first thread, as it was when first asked, siblings of one physical
// core next to each other, so that neighbouring partitions share as few cores as can be.
[[nodiscard]] const std::vector<int>& allowed_cpus();
// The same as they are now.
[[nodiscard]] std::vector<int> read_allowed_cpus();
[[nodiscard]] std::string cpu_model_name();

}  // namespace greenlane::detail
