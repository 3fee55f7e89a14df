#include "driver.hpp"

#include "never.hpp"

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace tensorrt_double {
namespace {

template <typename Function>
void find(void* library, const char* symbol, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, symbol));
  if (function == nullptr) die(std::string("libcuda.so.1 has no ") + symbol);
}

Driver load() {
  void* const library = dlopen("libcuda.so.1", RTLD_NOW);
  if (library == nullptr) die("there is no libcuda.so.1 here");
  Driver table{};
#define TENSORRT_DOUBLE_FIND(member, symbol) find(library, #symbol, table.member);
  TENSORRT_DOUBLE_DRIVER(TENSORRT_DOUBLE_FIND)
#undef TENSORRT_DOUBLE_FIND
  return table;
}

}  // namespace

void die(const std::string& message) noexcept {
  std::fprintf(stderr, "tensorrt_double: %s\n", message.c_str());
  std::abort();
}

const Driver& driver() {
  static const Driver table = load();
  return table;
}

void check(CUresult result, const char* call) {
  if (result == CUDA_SUCCESS) return;
  const char* name = nullptr;
  driver().cuGetErrorName(result, &name);
  die(std::string(call) + " failed: " + (name == nullptr ? std::to_string(result) : name));
}

CUcontext current_context() {
  CUcontext context = nullptr;
  check(driver().cuCtxGetCurrent(&context), "cuCtxGetCurrent");
  if (context == nullptr) {
    // Never released, as by the CUDA runtime.
    check(driver().cuDevicePrimaryCtxRetain(&context, 0), "cuDevicePrimaryCtxRetain");
    check(driver().cuCtxSetCurrent(context), "cuCtxSetCurrent");
  }
  return context;
}

}  // namespace tensorrt_double
