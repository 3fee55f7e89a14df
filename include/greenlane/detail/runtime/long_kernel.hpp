// Kernels that are too long for gates: how they are told, and advice on them.
#pragma once

#include <greenlane/core/gate.hpp>
#include <greenlane/detail/runtime/planning.hpp>
#include <greenlane/detail/runtime/results.hpp>

#include <optional>
#include <string>
#include <vector>

namespace greenlane::runtime {

/// Returns the kernel as JSON; null if it is absent.
[[nodiscard]] std::string long_kernel_json(const std::optional<LongKernel>& kernel);

/// Returns a sentence such as "kernel 'matmul' takes 1090 µs on 132 SMs and cannot be cut".
[[nodiscard]] std::string long_kernel_text(const ProfiledKernel& kernel, DeviceKind kind);

/// Returns a line of advice for each engine with a long kernel that urgent engines wait for.
[[nodiscard]] std::vector<std::string> long_kernel_advice(const ModeResult& result);

/// Returns the result with a line for each best-effort engine with a long kernel: the urgent engines that it has units
/// apart from in the chosen plan, and those that wait for the kernel. There are no lines without urgent engines.
[[nodiscard]] PlanResult with_reasons(PlanResult result, const Profile& profile);

}  // namespace greenlane::runtime
