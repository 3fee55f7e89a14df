#include "torch/whole_torch.hpp"

#include <greenlane/core/error.hpp>

#include <dlfcn.h>

namespace greenlane::detail {

void load_whole_torch() {
  // A failure throws out of the initialiser, so the next call tries again.
  static void* const library = [] {
    void* handle = dlopen("libtorch.so", RTLD_NOW | RTLD_GLOBAL);  // found through this library's own path to PyTorch
    if (handle) return handle;
    throw EngineError({.what = "PyTorch's libtorch.so could not be loaded",
                       .why = dlerror(),
                       .remedy = "install PyTorch again (pip install torch)"});
  }();
  (void)library;
}

}  // namespace greenlane::detail
