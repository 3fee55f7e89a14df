// The work of `greenlane profile`: measures every engine alone on every size of partition.
#pragma once

#include "cli/profile_arguments.hpp"

namespace greenlane::cli {

// Returns the exit status.
// Throws: Error.
[[nodiscard]] int profile(const ProfileArguments& arguments);

}  // namespace greenlane::cli
