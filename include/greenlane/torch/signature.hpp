// What a compiled engine expects of its inputs.
#pragma once

#include <greenlane/core/device.hpp>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace greenlane {

namespace detail {
class SizeRules;
}  // namespace detail

// One dimension: its allowed sizes, and its stride in elements where the kernels rely on one.
struct DimensionSpec {
  std::int64_t smallest = 0;
  std::int64_t largest = std::numeric_limits<std::int64_t>::max();
  std::optional<std::int64_t> stride;
  // The size and the stride as the compiler wrote them, where they depend on the sizes of inputs: "s77", "4L*s77".
  // Empty: not known, or a number.
  std::string size_rule;
  std::string stride_rule;
};

struct TensorSpec {
  // In the wrapper's source, such as "arg2_1"; empty: not known.
  std::string name;
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
  // Nothing is known.
  Signature() = default;

  // Reads what AOTInductor writes into the source of a package's wrapper: its input checks (`check_input_0` and so on),
  // the symbols that it reads from sizes and strides, and, from PyTorch 2.14 on, `assert_size_stride`.
  [[nodiscard]] static Signature from_wrapper_source(std::string_view source);

  [[nodiscard]] std::optional<std::size_t> count() const noexcept { return count_; }
  [[nodiscard]] const std::vector<TensorSpec>& inputs() const noexcept { return inputs_; }
  // A sentence part for each thing that check() cannot tell, such as "input 1: its dtype". Empty: it tells everything
  // that the source states.
  [[nodiscard]] const std::vector<std::string>& unchecked() const noexcept { return unchecked_; }

  // Throws EngineError naming the engine, the input and the difference. Allocates nothing when all is well.
  void check(std::span<const at::Tensor> inputs, DeviceId device, const std::string& engine) const;

 private:
  std::optional<std::size_t> count_;
  std::vector<TensorSpec> inputs_;
  std::vector<std::string> unchecked_;
  std::shared_ptr<const detail::SizeRules> rules_;  // null: none
};

// "float16 [4, 3, 224, 224]", "float32 [2..32, 64]".
[[nodiscard]] std::string to_string(const TensorSpec& spec);

}  // namespace greenlane
