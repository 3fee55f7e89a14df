// The work of `greenlane audit`: runs a pipeline and shows which kernels ran outside of their partitions.
#pragma once

#include "cli/audit_arguments.hpp"

namespace greenlane::cli {

// Returns the exit status.
// Throws: Error.
[[nodiscard]] int audit(const AuditArguments& arguments);

}  // namespace greenlane::cli
