// How many threads PyTorch uses for work on one lane of a CPU.
#pragma once

#include <greenlane/core/lane.hpp>

namespace greenlane::detail {

// Makes parallel loops that begin on this thread use so many threads, and no others.
void use_threads(int count);

// The number of threads for work on the lane: one for each core, or fewer where OMP_NUM_THREADS or OMP_THREAD_LIMIT
// says so. One warning then names the variable.
[[nodiscard]] int threads_for(const Lane& lane);

}  // namespace greenlane::detail
