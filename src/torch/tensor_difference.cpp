#include "torch/tensor_difference.hpp"

#include "torch/dtype_names.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>
#include <span>
#include <sstream>
#include <string_view>
#include <vector>

namespace greenlane::detail {
namespace {

// Tolerance for an output that should be 0 everywhere, and therefore has no scale of its own.
constexpr double kToleranceOfZeros = 1e-6;

std::string text_of(double value) {
  std::string text(32, '\0');
  text.resize(static_cast<std::size_t>(std::snprintf(text.data(), text.size(), "%.6g", value)));
  return text;
}
std::string text_of(std::int64_t value) { return std::to_string(value); }
std::string text_of(std::uint64_t value) { return std::to_string(value); }

template <typename Value, typename Error>
std::string differs(Error error, std::size_t element, Value got, Value want) {
  return "differs by up to " + text_of(error) + " (element " + std::to_string(element) + ": " + text_of(got) +
         " instead of " + text_of(want) + ")";
}

// Compares integers exactly. The distance is exact, too, although it may be more than the type holds.
template <typename Integer, typename Shown>
std::string integers(const at::Tensor& got, const at::Tensor& want) {
  const auto* const actual = static_cast<const Integer*>(got.const_data_ptr());
  const auto* const expected = static_cast<const Integer*>(want.const_data_ptr());
  const auto elements = static_cast<std::size_t>(got.numel());
  std::uint64_t worst = 0;
  std::size_t at = 0;
  for (std::size_t i = 0; i < elements; ++i) {
    // NOLINTBEGIN(bugprone-signed-char-misuse,cert-str34-c): numbers, no characters
    const auto high = static_cast<Shown>(std::max(actual[i], expected[i]));
    const auto low = static_cast<Shown>(std::min(actual[i], expected[i]));
    // NOLINTEND(bugprone-signed-char-misuse,cert-str34-c)
    const auto distance = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low);
    if (distance > worst) {
      worst = distance;
      at = i;
    }
  }
  if (worst == 0) return {};
  return differs(worst, at, static_cast<Shown>(actual[at]), static_cast<Shown>(expected[at]));
}

// Compares dtypes that PyTorch does not treat as numbers, byte by byte.
std::string_view bytes(const at::Tensor& got, const at::Tensor& want) {
  if (std::memcmp(got.const_data_ptr(), want.const_data_ptr(), got.nbytes()) == 0) return {};
  return "has other bytes than expected";
}

// Returns the relative error that a dtype's digits and the order of sums can cause.
double tolerance_of(at::ScalarType dtype) {
  switch (dtype) {
    case at::kHalf:
    case at::kBFloat16:
    case at::kComplexHalf:
      return 2e-2;
    case at::kFloat8_e4m3fn:
    case at::kFloat8_e4m3fnuz:
      return 0.13;  // three bits behind the point
    case at::kFloat8_e5m2:
    case at::kFloat8_e5m2fnuz:
      return 0.26;  // two
    case at::kFloat8_e8m0fnu:
      return 0;  // powers of two
    default:
      return 1e-3;
  }
}

// Returns the median of the finite magnitudes other than 0, because neither many zeros nor a few huge elements move it.
double scale_of(std::span<const double> values) {
  std::vector<double> magnitudes;
  for (const double value : values) {
    if (value != 0 && std::isfinite(value)) magnitudes.push_back(std::abs(value));
  }
  if (magnitudes.empty()) return 0;
  const auto middle = magnitudes.begin() + static_cast<std::ptrdiff_t>((magnitudes.size() - 1) / 2);
  std::ranges::nth_element(magnitudes, middle);
  return *middle;
}

std::string floats(const at::Tensor& got, const at::Tensor& want, double tolerance) {
  const auto as_doubles = [](const at::Tensor& tensor) {
    const auto doubles = tensor.to(at::kDouble).contiguous();
    const auto* const first = doubles.const_data_ptr<double>();
    return std::vector<double>(first, first + doubles.numel());
  };
  const auto actual = as_doubles(got);
  const auto expected = as_doubles(want);
  const double scale = scale_of(expected);
  double worst = -1;
  std::size_t at = 0;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    const double is = actual[i];
    const double should = expected[i];
    if (is == should || (std::isnan(is) && std::isnan(should))) continue;
    const double error =
        std::isfinite(is) && std::isfinite(should) ? std::abs(is - should) : std::numeric_limits<double>::infinity();
    const double allowed =
        scale == 0 ? std::min(tolerance, kToleranceOfZeros) : tolerance * scale + tolerance * std::abs(should);
    if (error > worst && (std::isinf(error) || error > allowed)) {
      worst = error;
      at = i;
    }
  }
  return worst < 0 ? "" : differs(worst, at, actual[at], expected[at]);
}

template <typename Value>
std::string other(std::string_view what, const Value& got, const Value& want) {
  std::ostringstream text;
  text << "has another " << what << " than the expected one (" << got << " instead of " << want << ")";
  return text.str();
}

std::string values(const at::Tensor& got, const at::Tensor& want) {
  const auto dtype = got.scalar_type();
  switch (dtype) {
    case at::kBool:  // a byte
    case at::kByte:
      return integers<std::uint8_t, std::int64_t>(got, want);
    case at::kChar:
      return integers<std::int8_t, std::int64_t>(got, want);
    case at::kShort:
      return integers<std::int16_t, std::int64_t>(got, want);
    case at::kInt:
      return integers<std::int32_t, std::int64_t>(got, want);
    case at::kLong:
      return integers<std::int64_t, std::int64_t>(got, want);
    case at::kUInt16:
      return integers<std::uint16_t, std::int64_t>(got, want);
    case at::kUInt32:
      return integers<std::uint32_t, std::int64_t>(got, want);
    case at::kUInt64:
      return integers<std::uint64_t, std::uint64_t>(got, want);
    default:
      break;
  }
  if (at::isComplexType(dtype)) {
    return floats(at::view_as_real(got), at::view_as_real(want), tolerance_of(dtype));
  }
  if (at::isFloatingType(dtype) && dtype != at::kFloat4_e2m1fn_x2) return floats(got, want, tolerance_of(dtype));
  return std::string(bytes(got, want));
}

// Returns the tensor on the CPU, dense, with its elements in order and all conjugations done.
at::Tensor plain(const at::Tensor& tensor) {
  auto made = tensor.detach().cpu();
  if (made.layout() != at::kStrided) made = made.to_dense();
  if (made.is_quantized()) made = made.dequantize();
  return made.resolve_conj().resolve_neg().contiguous();
}

}  // namespace

std::string difference_of(const at::Tensor& actual, const at::Tensor& expected) {
  if (actual.sizes() != expected.sizes()) return other("shape", actual.sizes(), expected.sizes());
  if (actual.scalar_type() != expected.scalar_type()) {
    return other("dtype", name_of(actual.scalar_type()), name_of(expected.scalar_type()));
  }
  if (actual.layout() != expected.layout()) return other("layout", actual.layout(), expected.layout());
  return actual.numel() == 0 ? "" : values(plain(actual), plain(expected));
}

}  // namespace greenlane::detail
