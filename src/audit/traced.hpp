// Kernels as the trace shows them.
#pragma once

#include "audit/activity_log.hpp"
#include "audit/scene.hpp"

#include <greenlane/audit/audit_report.hpp>

#include <vector>

namespace greenlane::audit {

// With readable names and places, in the order of their beginnings.
[[nodiscard]] std::vector<TracedKernel> traced(const ActivityLog::Contents& contents, const Scene& scene);

}  // namespace greenlane::audit
