// Kernels as the trace shows them.
#pragma once

#include "runtime/audit/activity_log.hpp"
#include "runtime/audit/scene.hpp"

#include <greenlane/runtime/audit_report.hpp>

#include <vector>

namespace greenlane::runtime {

// With readable names and places, in the order of their beginnings.
[[nodiscard]] std::vector<TracedKernel> traced(const ActivityLog::Contents& contents, const Scene& scene);

}  // namespace greenlane::runtime
