// Prepares kernels for the trace.
#pragma once

#include "audit/activity_log.hpp"
#include "audit/scene.hpp"

#include <greenlane/audit/audit_report.hpp>

#include <vector>

namespace greenlane::audit {

// Returns the kernels with readable names and places, in the order in which they began.
[[nodiscard]] std::vector<TracedKernel> traced(const ActivityLog::Contents& contents, const Scene& scene);

}  // namespace greenlane::audit
