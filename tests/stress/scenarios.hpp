// The scenarios of the stress test. Each function returns what happened as JSON, with a list `failures`.
#pragma once

#include "stress/team.hpp"

#include <greenlane/detail/core/gate.hpp>

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdint>
#include <memory>

namespace greenlane::stress {

struct Setup {
  Device device;
  std::shared_ptr<const Kernel> kernel;
  Watchdog& watchdog;
};
using Json = nlohmann::ordered_json;

// Makes `calls` urgent calls from two threads, beside two best-effort engines.
[[nodiscard]] Json passes(const Setup& setup, std::uint64_t calls);
// Makes urgent calls whose work throws after the gate was closed and before anything is launched.
[[nodiscard]] Json throws(const Setup& setup, std::uint64_t times);
// Makes an urgent call that does not end. Best effort goes on after the call's limit, and other urgent engines all the
// time.
[[nodiscard]] Json never_ends(const Setup& setup);
// Runs 32 best-effort engines, which wait at the gate in this way, and 8 urgent ones with random arrivals.
[[nodiscard]] Json many(const Setup& setup, std::chrono::seconds duration, GateWait wait);

}  // namespace greenlane::stress
