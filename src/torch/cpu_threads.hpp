// How many threads PyTorch uses for work on one lane of a CPU.
#pragma once

#include <greenlane/core/lane.hpp>

namespace greenlane::detail {

// Makes parallel loops that begin on this thread use so many threads, and no others.
void use_threads(int count);

// As many as the lane has cores, unless OMP_NUM_THREADS or OMP_THREAD_LIMIT allows fewer: then one warning says so.
[[nodiscard]] int threads_for(const Lane& lane);

}  // namespace greenlane::detail
