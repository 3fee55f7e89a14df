// The audit's judgement. Pure: it knows nothing of CUDA.
#pragma once

#include "audit/activity.hpp"
#include "audit/scene.hpp"

#include <greenlane/audit/audit_report.hpp>

#include <optional>
#include <span>
#include <string>

namespace greenlane::audit {

// Whose the activities are, and which of their kernels are strays: of a bound engine those in another context than its
// lane's; of all others those on undivided units of a device that is divided.
[[nodiscard]] AuditReport attribute(std::span<const Activity> activities, const Scene& scene);

// Why this one is a stray; nothing where it is none.
[[nodiscard]] std::optional<StrayCause> stray_cause(const Activity& activity, const Scene& scene);
// "the partition of lane 'vision' (48 SMs)".
[[nodiscard]] std::string place_of(const Activity& activity, const Scene& scene);

}  // namespace greenlane::audit
