// The number of threads that PyTorch uses for work on one lane of a CPU.
#pragma once

namespace greenlane {
class Lane;
}

namespace greenlane::detail {

// Makes parallel loops that begin on this thread use `count` threads. Other threads' loops do not change.
void use_threads(int count);

// Returns the number of threads for work on the lane: one for each core, or fewer if OMP_NUM_THREADS or
// OMP_THREAD_LIMIT says so. The first time that it is fewer, one warning names the variable.
[[nodiscard]] int threads_for(const Lane& lane);

}  // namespace greenlane::detail
