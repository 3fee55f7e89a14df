#include "cli/load_commands.hpp"

#include "cli/say.hpp"
#include "cli/stop_signal.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/version.hpp>

#include <dlfcn.h>

#include <string>
#include <string_view>

namespace greenlane::cli {
namespace {

constexpr auto kLibrary = "libgreenlane_commands.so";

std::string loader_error() {
  const char* error = ::dlerror();
  return error ? error : "the loader gives no reason";
}

}  // namespace

const Commands& load_commands() {
  // The program's own path finds the library, relative to the program. Libraries of custom operators find PyTorch's
  // symbols as if the program were linked to PyTorch: hence RTLD_GLOBAL.
  void* library = ::dlopen(kLibrary, RTLD_LAZY | RTLD_GLOBAL);
  if (!library)
    throw EngineError({.what = "this command needs PyTorch and greenlane's libraries, which cannot be loaded",
                       .why = loader_error(),
                       .remedy = "install PyTorch where greenlane was built to find it (pip install torch), or name "
                                 "the folders of the missing libraries in LD_LIBRARY_PATH"});
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
