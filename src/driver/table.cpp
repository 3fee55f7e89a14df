#include "driver/table.hpp"

#include <dlfcn.h>

#include <atomic>
#include <optional>

namespace greenlane::driver {
namespace {

struct Loaded {
  std::optional<Table> table;
  std::string reason;
};

using GetProcAddress = PFN_cuGetProcAddress_v11030;

template <class Function>
bool look_up(GetProcAddress get, const char* name, int version, Function& function) noexcept {
  void* address = nullptr;
  const bool found = get(name, &address, version, CU_GET_PROC_ADDRESS_LEGACY_STREAM) == CUDA_SUCCESS && address;
  function = found ? reinterpret_cast<Function>(address) : nullptr;
  return found;
}

// A list of entry points is many branches for the analyser, and one for a reader.
Loaded load() {  // NOLINT(readability-function-cognitive-complexity)
  // Never closed: the driver keeps threads and state of its own until the process ends.
  void* library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char* error = dlerror();
    return {{}, std::string("the driver library libcuda.so.1 could not be loaded (") + (error ? error : "?") + ")"};
  }
  auto get = reinterpret_cast<GetProcAddress>(dlsym(library, "cuGetProcAddress"));
  if (!get) return {{}, "the driver is older than CUDA 11.3 (it has no cuGetProcAddress)"};

  Table table;
  std::string missing;
#define GREENLANE_DRIVER_REQUIRE(name, version) \
  if (!look_up(get, #name, version, table.name)) missing += std::string(missing.empty() ? "" : ", ") + #name;
  GREENLANE_DRIVER_REQUIRED(GREENLANE_DRIVER_REQUIRE)
#undef GREENLANE_DRIVER_REQUIRE
  if (!missing.empty()) return {{}, "the driver is too old: it lacks " + missing};
#define GREENLANE_DRIVER_PROBE(name, version) look_up(get, #name, version, table.name);
  GREENLANE_DRIVER_OPTIONAL(GREENLANE_DRIVER_PROBE)
  GREENLANE_DRIVER_WORK(GREENLANE_DRIVER_PROBE)
#undef GREENLANE_DRIVER_PROBE

  const CUresult result = table.cuInit(0);  // NOLINT(clang-analyzer-core.CallAndMessage): nothing required is missing
  if (result != CUDA_SUCCESS) {
    const char* name = nullptr;
    table.cuGetErrorName(result, &name);
    return {{}, std::string("the driver could not be initialised (cuInit: ") + (name ? name : "?") + ")"};
  }
  return {table, {}};
}

const Loaded& loaded() {
  static const Loaded result = load();
  return result;
}

struct Override {
  std::atomic<bool> active{false};
  std::atomic<const Table*> table{nullptr};
} override_;

const std::string kOverridden = "no driver (a test says so)";

}  // namespace

const Table* find() noexcept {
  if (override_.active.load(std::memory_order_acquire)) return override_.table.load(std::memory_order_acquire);
  const auto& result = loaded();
  return result.table ? &*result.table : nullptr;
}

const std::string& unavailable_reason() noexcept {
  return override_.active.load(std::memory_order_acquire) ? kOverridden : loaded().reason;
}

ScopedTable::ScopedTable(const Table* table) noexcept {
  override_.table.store(table, std::memory_order_release);
  override_.active.store(true, std::memory_order_release);
}

ScopedTable::~ScopedTable() {
  override_.active.store(false, std::memory_order_release);
  override_.table.store(nullptr, std::memory_order_release);
}

}  // namespace greenlane::driver
