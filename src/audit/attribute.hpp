// The audit's judgement: pure functions, without CUDA.
#pragma once

#include "audit/activity.hpp"
#include "audit/scene.hpp"

#include <greenlane/audit/audit_report.hpp>

#include <optional>
#include <span>
#include <string>

namespace greenlane::audit {

// Assigns the activities to engines and finds the strays. A bound engine's kernels are strays in any context but its
// lane's. All other kernels are strays on the undivided units of a device that is divided.
[[nodiscard]] AuditReport attribute(std::span<const Activity> activities, const Scene& scene);

// Returns why the activity is a stray; absent where it is none.
[[nodiscard]] std::optional<StrayCause> stray_cause(const Activity& activity, const Scene& scene);
// Returns the location in words, such as "partition 'vision' (48 SMs)".
[[nodiscard]] std::string location_of(const Activity& activity, const Scene& scene);

}  // namespace greenlane::audit
