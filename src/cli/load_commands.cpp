#include "cli/load_commands.hpp"

#include "cli/say.hpp"
#include "cli/stop_signal.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/version.hpp>

#include <dlfcn.h>

#include <cstdlib>
#include <string>
#include <string_view>

namespace greenlane::cli {
namespace {

constexpr auto kLibrary = "libgreenlane_commands.so";

std::string loader_error() {
  const char* error = ::dlerror();
  return error ? error : "the loader gives no reason";
}

// Loads PyTorch from the folder that the Python package found, where it is not beside greenlane's libraries.
void load_torch_elsewhere() {
  const char* folder = std::getenv("GREENLANE_TORCH_DIR");
  if (folder == nullptr || *folder == 0) return;
  // A library that is missing is reported by the load that needs it.
  for (const auto* name : {"libc10.so", "libc10_cuda.so", "libtorch_cpu.so"})
    (void)::dlopen((std::string(folder) + "/lib/" + name).c_str(), RTLD_LAZY | RTLD_GLOBAL);
}

}  // namespace

const Commands& load_commands() {
  load_torch_elsewhere();
  // The program's own path finds the library, relative to the program. Libraries of custom operators find PyTorch's
  // symbols as if the program were linked to PyTorch: hence RTLD_GLOBAL.
  void* library = ::dlopen(kLibrary, RTLD_LAZY | RTLD_GLOBAL);
  if (!library)
    throw EngineError({.what = "this command needs PyTorch and greenlane's libraries, which cannot be loaded",
                       .why = loader_error(),
                       .remedy = "install PyTorch " GREENLANE_TORCH_MINOR
                                 " where greenlane was built to find it (pip install "
                                 "'torch==" GREENLANE_TORCH_MINOR ".*'), name the folder of the package `torch` in "
                                 "GREENLANE_TORCH_DIR, or the folders of other libraries in LD_LIBRARY_PATH"});
  auto* entry = reinterpret_cast<CommandsEntry*>(::dlsym(library, kCommandsEntry));
  if (!entry)
    throw EngineError({.what = std::string(kLibrary) + " is not of this program",
                       .why = loader_error(),
                       .remedy = "install the program and its libraries together"});
  static const Services services{.write_text = &write_text, .stop_signal = &stop_signal};
  const auto* commands = entry(services);
  if (std::string_view(commands->version) != kVersion)
    throw EngineError({.what = std::string(kLibrary) + " is not of this program",
                       .why = std::string("its version is ") + commands->version + ", and the program's is " + kVersion,
                       .remedy = "install the program and its libraries together, and look at LD_LIBRARY_PATH"});
  return *commands;
}

}  // namespace greenlane::cli
