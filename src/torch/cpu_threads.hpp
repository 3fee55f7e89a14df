// How many threads PyTorch's CPU kernels use on a lane.
#pragma once

namespace greenlane::detail {

// Sets the size of the OpenMP teams that the calling thread starts, and of no other thread's. Its members inherit the
// thread's cores. Free when nothing changes.
void use_threads(int count);

}  // namespace greenlane::detail
