#include "torch/whole_torch.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/core/log.hpp>
#include <greenlane/detail/core/driver_library.hpp>

#include <ATen/Parallel.h>
#include <dlfcn.h>

#include <string>

namespace greenlane::detail {
namespace {

constexpr auto kWhole = "libtorch.so";
constexpr auto kCudaHalf = "libtorch_cuda.so";
// Its name in the process is libtorch.so, so nothing that asks for libtorch.so loads PyTorch's. The file has another
// name, which ldconfig overlooks.
constexpr auto kStandIn = "greenlane_cpu_torch.so";

// Returns the folder of the PyTorch that is in this process.
std::string torch_folder() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void*>(&at::get_num_threads), &info) == 0) return {};
  const std::string file = info.dli_fname;
  return file.substr(0, file.rfind('/') + 1);
}

// This library's own path leads to PyTorch and to the stand-in. If PyTorch is somewhere else, its other half is there.
void* load(const char* name) {
  if (void* library = dlopen(name, RTLD_NOW | RTLD_GLOBAL)) return library;
  return dlopen((torch_folder() + name).c_str(), RTLD_NOW | RTLD_GLOBAL);
}

void* require(const char* name) {
  if (void* library = load(name)) return library;
  throw EngineError({.what = std::string("PyTorch's ") + name + " could not be loaded",
                     .why = dlerror(),
                     .remedy = "install PyTorch again (pip install torch)"});
}

bool is_loaded(const char* name) { return dlopen(name, RTLD_LAZY | RTLD_NOLOAD) != nullptr; }

}  // namespace

void load_whole_torch() {
  // A failure throws out of the initialiser, so the next call tries again.
  static void* const library = [] {
    void* whole = require(kWhole);
    return is_loaded(kStandIn) ? require(kCudaHalf) : whole;
  }();
  (void)library;
}

void load_torch_for_cpu() {
  if (is_loaded(kWhole)) return;
  if (!driver_is_installed()) {
    if (load(kStandIn)) return;
    debug(std::string(kStandIn) + " is not beside greenlane's libraries, so PyTorch's CUDA half is loaded, too");
  }
  load_whole_torch();
}

}  // namespace greenlane::detail
