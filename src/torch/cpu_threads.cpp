#include "torch/cpu_threads.hpp"

#include <ATen/Parallel.h>

// Of the OpenMP runtime that PyTorch brings and that is linked by its file: a compiler's own <omp.h> may be another's.
extern "C" void omp_set_num_threads(int count);

namespace greenlane::detail {

void use_threads(int count) {
  thread_local int in_force = 0;
  if (in_force == count) return;
  // PyTorch sets its own number at a thread's first parallel loop: let it do so now, or it would undo ours later.
  // at::set_num_threads would do for this thread, but it also changes the default of every thread that comes after.
  at::get_num_threads();
  omp_set_num_threads(count);
  in_force = count;
}

}  // namespace greenlane::detail
