#include "audit/cupti_table.hpp"

#include <dlfcn.h>
#include <link.h>

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <vector>

namespace greenlane::cupti {
namespace {

// CUPTI's version was a number of its own until CUDA 13.
constexpr int kFirstWithCudaVersion = 100'000;
constexpr int kMajor = CUPTI_API_VERSION >= kFirstWithCudaVersion ? CUPTI_API_VERSION / 10'000 : 12;

struct Loaded {
  std::optional<Table> table;
  std::string reason;
};

// Returns the folders that may hold CUPTI: beside the loaded PyTorch, where NVIDIA's wheels are, and in a toolkit.
std::vector<std::filesystem::path> folders() {
  std::vector<std::filesystem::path> found;
  if (void* torch = dlopen("libtorch_cpu.so", RTLD_NOW | RTLD_NOLOAD)) {
    link_map* map = nullptr;
    if (dlinfo(torch, RTLD_DI_LINKMAP, static_cast<void*>(&map)) == 0 && map) {
      const auto packages = std::filesystem::path(map->l_name).parent_path().parent_path().parent_path();
      found.push_back(packages / "nvidia" / ("cu" + std::to_string(kMajor)) / "lib");
      found.push_back(packages / "nvidia" / "cuda_cupti" / "lib");
    }
    dlclose(torch);
  }
  const char* home = std::getenv("CUDA_HOME");
  for (const std::filesystem::path toolkit : {home ? home : "", "/usr/local/cuda"}) {
    if (toolkit.empty()) continue;
    found.push_back(toolkit / "lib64");
    found.push_back(toolkit / "extras/CUPTI/lib64");
  }
  return found;
}

// Opens CUPTI. Never closes it, because CUPTI keeps threads and hooks of its own in the driver.
void* open(std::string& reason) {
  const std::string name = "libcupti.so." + std::to_string(kMajor);
  // A second copy beside a loaded one would see nothing.
  if (void* library = dlopen(name.c_str(), RTLD_NOW | RTLD_NOLOAD)) return library;
  std::string searched = "the loader's paths";
  if (void* library = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL)) return library;
  for (const auto& folder : folders()) {
    const auto path = folder / name;
    searched += ", " + folder.string();
    if (void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) return library;
  }
  reason = name + " was not found (looked in " + searched + ")";
  return nullptr;
}

// Looks up all functions. The analyser counts many branches in this list; a reader sees one.
Loaded load() {  // NOLINT(readability-function-cognitive-complexity)
  Loaded loaded;
  void* library = open(loaded.reason);
  if (!library) return loaded;
  Table table;
  std::string missing;
#define GREENLANE_CUPTI_LOOK_UP(name)                                         \
  table.name = reinterpret_cast<decltype(table.name)>(dlsym(library, #name)); \
  if (!table.name) missing += std::string(missing.empty() ? "" : ", ") + #name;
  GREENLANE_CUPTI_FUNCTIONS(GREENLANE_CUPTI_LOOK_UP)
#undef GREENLANE_CUPTI_LOOK_UP
  if (missing.empty()) {
    loaded.table = table;
  } else {
    loaded.reason = "this CUPTI is too old: it lacks " + missing;
  }
  return loaded;
}

const Loaded& loaded() {
  static const auto* const result = new Loaded(load());  // never destroyed: CUPTI calls back when the process ends
  return *result;
}

}  // namespace

const Table* find() noexcept {
  if (ScopedTable::is_active()) return ScopedTable::table();
  const auto& result = loaded();
  return result.table ? &*result.table : nullptr;
}

std::string unavailable_reason() { return ScopedTable::is_active() ? "no CUPTI (a test says so)" : loaded().reason; }

}  // namespace greenlane::cupti
