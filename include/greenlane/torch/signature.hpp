// The inputs that a compiled engine expects.
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

/// One dimension: its allowed sizes, and its stride in elements if the kernels rely on one.
struct DimensionSpec {
  std::int64_t smallest = 0;                                        ///< the smallest size that is allowed
  std::int64_t largest = std::numeric_limits<std::int64_t>::max();  ///< the largest size that is allowed
  std::optional<std::int64_t> stride;                               ///< absent: any
  /// The size and stride as the compiler wrote them, if they depend on input sizes: "s77", "4L*s77". Empty: unknown, or
  /// a number.
  std::string size_rule;
  /// The same of the stride.
  std::string stride_rule;
};

/// One input.
struct TensorSpec {
  /// The name in the wrapper's source, such as "arg2_1"; empty: unknown.
  std::string name;
  /// Absent: unknown.
  std::optional<at::ScalarType> dtype;
  /// Empty if the shape is unknown.
  std::vector<DimensionSpec> dimensions;
  /// Known to have no dimensions.
  bool is_scalar = false;
};

/// The inputs of an engine. AOTInductor's kernels read their inputs by the strides they were compiled for and check
/// nothing, so a wrong shape reads other memory. check() prevents this.
class Signature {
 public:
  /// Makes a signature of unknown inputs.
  Signature() = default;

  /// Reads the source of a package's wrapper that AOTInductor wrote: its input checks (`check_input_0` and so on), the
  /// symbols it reads from sizes and strides, and, from PyTorch 2.14 on, `assert_size_stride`.
  [[nodiscard]] static Signature from_wrapper_source(std::string_view source);

  /// Returns the number of inputs; absent: unknown.
  [[nodiscard]] std::optional<std::size_t> count() const noexcept { return count_; }
  /// Returns the inputs, in order.
  [[nodiscard]] const std::vector<TensorSpec>& inputs() const noexcept { return inputs_; }
  /// A phrase for each property that check() cannot check, such as "input 1: its dtype". Empty: it checks everything
  /// that the source states.
  [[nodiscard]] const std::vector<std::string>& unchecked() const noexcept { return unchecked_; }

  /// Checks the inputs. Allocates nothing if all is well.
  /// Throws: EngineError, which names the engine, the input and the difference.
  void check(std::span<const at::Tensor> inputs, DeviceId device, const std::string& engine) const;

 private:
  std::optional<std::size_t> count_;
  std::vector<TensorSpec> inputs_;
  std::vector<std::string> unchecked_;
  std::shared_ptr<const detail::SizeRules> rules_;  // null: no rules
};

/// Returns a text such as "float16 [4, 3, 224, 224]" or "float32 [2..32, 64]".
[[nodiscard]] std::string to_string(const TensorSpec& spec);

}  // namespace greenlane
