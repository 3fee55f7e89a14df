// The name, cores and nice value of a worker's thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace greenlane::detail {

// Gives the calling thread, and the threads that it starts, a lane's settings. Empty `cpus` or absent niceness:
// unchanged.
// Throws: DeviceError if the operating system refuses.
void apply_thread_settings(const std::string& lane, const std::vector<int>& cpus, std::optional<int> niceness);

// Returns the nice value of the calling thread, which threads that it starts inherit.
[[nodiscard]] int own_niceness() noexcept;

}  // namespace greenlane::detail
