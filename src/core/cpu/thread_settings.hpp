// The name, cores and nice value of a worker's thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace greenlane::detail {

// Gives the calling thread, and those that it starts, a lane's settings. Empty `cpus`, no niceness: as they are.
// Throws DeviceError where the operating system refuses.
void apply_thread_settings(const std::string& lane, const std::vector<int>& cpus, std::optional<int> niceness);

// The nice value of the calling thread, which threads that it starts inherit.
[[nodiscard]] int own_niceness() noexcept;

}  // namespace greenlane::detail
