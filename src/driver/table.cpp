#include "driver/table.hpp"

#include <dlfcn.h>
#include <pthread.h>

#include <atomic>
#include <memory>
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

// Returns null if there is none. Never closed: the driver keeps its own threads and state until the process ends.
void* open_library() noexcept { return dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL); }

// A list of entry points is many branches for the analyser but simple for a reader.
Loaded load() {  // NOLINT(readability-function-cognitive-complexity)
  void* library = open_library();
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

// The first table that was loaded, never destroyed. It is not a static of a function, because a child that is forked
// while such a static is being made would wait for it for ever.
std::atomic<Loaded*> in_force{nullptr};
std::atomic<int> loading{0};
std::atomic<bool> lost{false};

Loaded& loaded() {
  if (auto* const known = in_force.load(std::memory_order_acquire)) return *known;
  loading.fetch_add(1);
  auto fresh = std::make_unique<Loaded>(load());
  Loaded* known = nullptr;
  if (in_force.compare_exchange_strong(known, fresh.get())) known = fresh.release();
  loading.fetch_sub(1);
  return *known;
}

const std::string kLost =
    "CUDA was started before this process was forked, and does not work in it: start processes with "
    "multiprocessing's 'spawn' or 'forkserver', or use the GPU in the forked process alone";

// Runs in the child, which has one thread; no other thread uses a table.
void after_fork_in_child() {
  auto* const known = in_force.load(std::memory_order_acquire);
  const bool is_overridden = ScopedTable::is_active() && ScopedTable::table() != nullptr;
  if (is_overridden || loading.load() > 0 || (known && known->table)) lost.store(true, std::memory_order_release);
  if (known && known->table) disable(*known->table);
}

const int registered = pthread_atfork(nullptr, nullptr, after_fork_in_child);

template <typename Function>
struct Disabled;
template <typename... Arguments>
struct Disabled<CUresult(CUDAAPI*)(Arguments...)> {
  static CUresult CUDAAPI call(Arguments... /*unused*/) { return CUDA_ERROR_NOT_INITIALIZED; }
};

const std::string kOverridden = "no driver (a test says so)";

}  // namespace

bool is_installed() noexcept {
  return ScopedTable::is_active() ? ScopedTable::table() != nullptr : open_library() != nullptr;
}

bool is_lost_in_fork() noexcept { return lost.load(std::memory_order_acquire); }

// A list of entry points, as in load().
void disable(Table& table) noexcept {  // NOLINT(readability-function-cognitive-complexity)
#define GREENLANE_DRIVER_DISABLE(name, version) \
  if (table.name) table.name = Disabled<decltype(table.name)>::call;
  GREENLANE_DRIVER_REQUIRED(GREENLANE_DRIVER_DISABLE)
  GREENLANE_DRIVER_OPTIONAL(GREENLANE_DRIVER_DISABLE)
  GREENLANE_DRIVER_WORK(GREENLANE_DRIVER_DISABLE)
#undef GREENLANE_DRIVER_DISABLE
}

const Table* find() noexcept {
  if (is_lost_in_fork()) return nullptr;
  if (ScopedTable::is_active()) return ScopedTable::table();
  const auto& result = loaded();
  return result.table ? &*result.table : nullptr;
}

const std::string& unavailable_reason() noexcept {
  if (is_lost_in_fork()) return kLost;
  return ScopedTable::is_active() ? kOverridden : loaded().reason;
}

}  // namespace greenlane::driver
