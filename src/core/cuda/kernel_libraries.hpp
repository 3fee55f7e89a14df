// The kernels of a KernelCode, loaded as libraries of the driver.
#pragma once

#include "core/cuda/primary_context.hpp"

#include <greenlane/detail/core/kernel_code.hpp>

#include <memory>
#include <vector>

namespace greenlane::detail {

class KernelLibraries {
 public:
  // Loads all images. An image that the driver refuses is left out.
  KernelLibraries(std::shared_ptr<PrimaryContext> primary, const KernelCode::Images& images);
  ~KernelLibraries();
  KernelLibraries(const KernelLibraries&) = delete;
  KernelLibraries& operator=(const KernelLibraries&) = delete;

  // Returns the libraries of this code, made at the first call.
  // Throws: what reading the images throws.
  [[nodiscard]] static std::shared_ptr<KernelLibraries> of(KernelCode& code,
                                                           const std::shared_ptr<PrimaryContext>& primary);

  // Returns the kernel with the name and the code of a module's function, ready to be launched with the same shared
  // memory. Null if there is none, or if several kernels of that name differ. The code is compared by what the driver
  // tells about it: registers, memory, versions, and the layout of the parameters.
  [[nodiscard]] CUkernel find(CUfunction function) const;

 private:
  [[nodiscard]] bool is_same(CUfunction function, CUkernel kernel) const;

  struct Library {
    CUlibrary handle = nullptr;
    std::size_t image = 0;  // its index
  };
  std::shared_ptr<PrimaryContext> primary_;
  const KernelCode::Images& images_;  // of the code that holds this object
  std::vector<Library> libraries_;
};

}  // namespace greenlane::detail
