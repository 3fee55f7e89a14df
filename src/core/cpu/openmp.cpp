#include "core/cpu/openmp.hpp"

#include <dlfcn.h>

#include <array>
#include <cstdlib>

namespace greenlane::detail {
namespace {

template <typename Function>
Function* look_up(const char* name) noexcept {
  return reinterpret_cast<Function*>(dlsym(RTLD_DEFAULT, name));
}

}  // namespace

std::vector<int> cpus_that_openmp_binds_to() {
  auto* const binding = look_up<int()>("omp_get_proc_bind");
  auto* const places = look_up<int()>("omp_get_num_places");
  auto* const size = look_up<int(int)>("omp_get_place_num_procs");
  auto* const read = look_up<void(int, int*)>("omp_get_place_proc_ids");
  if (!binding || !places || !size || !read || binding() == 0) return {};
  std::vector<int> cpus;
  for (int place = 0; place < places(); ++place) {
    std::vector<int> ids(static_cast<std::size_t>(size(place)));
    if (!ids.empty()) read(place, ids.data());
    cpus.insert(cpus.end(), ids.begin(), ids.end());
  }
  return cpus;
}

std::string openmp_binding_variables() {
  constexpr std::array kVariables{"OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY", "KMP_AFFINITY"};
  std::string set;
  for (const auto* const variable : kVariables) {
    if (const char* const value = std::getenv(variable)) {
      set += (set.empty() ? "" : ", ") + std::string(variable) + "=" + value;
    }
  }
  return set;
}

}  // namespace greenlane::detail
