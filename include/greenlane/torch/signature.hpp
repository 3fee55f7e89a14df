// What a compiled engine expects of its inputs.
#pragma once

#include <greenlane/core/device.hpp>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace greenlane {

// One dimension: its allowed sizes, and its stride in elements where the kernels rely on one.
struct DimensionSpec {
  std::int64_t smallest = 0;
  std::int64_t largest = std::numeric_limits<std::int64_t>::max();
  std::optional<std::int64_t> stride;
  // The name that the compiler gave to a size it left open: dimensions of one name have one size. Empty: none known.
  std::string symbol;
};

struct TensorSpec {
  std::optional<at::ScalarType> dtype;
  // Empty where nothing is known of the shape.
  std::vector<DimensionSpec> dimensions;
  // Known to have no dimensions.
  bool is_scalar = false;
};

// The inputs of an engine. AOTInductor's kernels read their inputs by the strides that they were compiled for and check
// nothing, so a wrong shape reads other memory: check() is what stands between.
class Signature {
 public:
  // `inputs` absent: only `count` of them (or nothing at all) is known.
  Signature() = default;
  Signature(std::optional<std::size_t> count, std::vector<TensorSpec> inputs);

  // Reads the input checks that AOTInductor writes into the source of a package's wrapper: `check_input_0` and so on,
  // and, from PyTorch 2.14 on, `assert_size_stride` with the names of open sizes.
  [[nodiscard]] static Signature from_wrapper_source(std::string_view source);

  [[nodiscard]] std::optional<std::size_t> count() const noexcept { return count_; }
  [[nodiscard]] const std::vector<TensorSpec>& inputs() const noexcept { return inputs_; }

  // Throws EngineError naming the engine, the input and the difference. Allocates nothing when all is well.
  void check(std::span<const at::Tensor> inputs, DeviceId device, const std::string& engine) const;

 private:
  std::optional<std::size_t> count_;
  std::vector<TensorSpec> inputs_;

  struct Place {
    std::size_t input;
    std::size_t dimension;
  };
  std::vector<std::pair<Place, Place>> equal_sizes_;
};

// "float16 [4, 3, 224, 224]", "float32 [2..32, 64]".
[[nodiscard]] std::string to_string(const TensorSpec& spec);

}  // namespace greenlane
