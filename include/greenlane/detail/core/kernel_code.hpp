// The code of an engine's kernels, for graphs that move.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace greenlane {

// Images of the kernels of one engine, such as the cubins of a package. A kernel that was loaded as part of a module
// stays in the context of that module. The same kernel, loaded from its image as part of a library, runs in any
// context.
// Thread safety: none; the engine's graphs are used under a lock.
class KernelCode {
 public:
  using Images = std::vector<std::string>;
  // `read` returns the images. It is called at the first use, and again if it has thrown.
  // Throws (from images()): what `read` throws.
  explicit KernelCode(std::function<Images()> read) : read_(std::move(read)) {}

  [[nodiscard]] const Images& images() {
    if (read_) images_ = read_();
    read_ = nullptr;
    return images_;
  }
  // The driver's libraries of these images, made by the driver's layer at the first use. Graphs that use one of their
  // kernels share them.
  std::shared_ptr<void> libraries;

 private:
  std::function<Images()> read_;
  Images images_;
};

}  // namespace greenlane
