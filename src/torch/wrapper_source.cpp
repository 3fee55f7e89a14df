#include "torch/wrapper_source.hpp"

#include "torch/dtype_names.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <map>

namespace greenlane::detail {
namespace {

// Returns the text between `before` and `after` in `line`; absent if they are not there.
std::optional<std::string_view> between(std::string_view line, std::string_view before, std::string_view after) {
  const auto start = line.find(before);
  if (start == std::string_view::npos) return std::nullopt;
  const auto rest = line.substr(start + before.size());
  const auto end = rest.find(after);
  if (end == std::string_view::npos) return std::nullopt;
  return rest.substr(0, end);
}

// Returns the value of a number such as "64" or "64L"; absent for any other text.
std::optional<std::int64_t> number(std::string_view text) {
  while (text.ends_with('L')) text.remove_suffix(1);
  std::int64_t value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || stop != text.data() + text.size()) return std::nullopt;
  return value;
}

// Returns a dimension, and adds it if it is new; null if the index is beyond PyTorch's own limit, which means a
// misreading.
DimensionSpec* dimension(TensorSpec& spec, std::string_view index) {
  constexpr std::int64_t kMost = 64;
  const auto i = number(index);
  if (!i || *i < 0 || *i >= kMost) return nullptr;
  if (spec.dimensions.size() <= static_cast<std::size_t>(*i)) spec.dimensions.resize(static_cast<std::size_t>(*i) + 1);
  return &spec.dimensions[static_cast<std::size_t>(*i)];
}

// Reads lines such as "if (64 != arg2_1_size[1]) {", "if (arg2_1_size[0] < 2) {" and "if (1 != arg2_1_stride[1]) {".
void read_condition(std::string_view line, TensorSpec& spec) {
  if (line.find("if (") == std::string_view::npos) return;
  const auto fixed = number(between(line, "if (", " != ").value_or(""));
  if (const auto stride_index = between(line, "_stride[", "]")) {
    auto* const each = dimension(spec, *stride_index);
    if (each != nullptr && fixed) each->stride = fixed;
  } else if (const auto size_index = between(line, "_size[", "]")) {
    auto* const each = dimension(spec, *size_index);
    if (each == nullptr) return;
    const auto smallest = number(between(line, "] < ", ")").value_or(""));
    const auto largest = number(between(line, "] > ", ")").value_or(""));
    each->smallest = fixed.value_or(smallest.value_or(each->smallest));
    each->largest = fixed.value_or(largest.value_or(each->largest));
  }
}

// Takes a list from `text`, which begins inside the list: "s31, 64L}" gives "s31" and "64L". Removes it up to its
// closing brace.
std::optional<std::vector<std::string>> take_list(std::string_view& text) {
  std::vector<std::string> all;
  int depth = 0;
  std::string element;
  const auto finish = [&] {
    const auto first = element.find_first_not_of(' ');
    if (first != std::string::npos) all.push_back(element.substr(first, element.find_last_not_of(' ') + 1 - first));
    element.clear();
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '}' && depth == 0) {
      finish();
      text.remove_prefix(i + 1);
      return all;
    }
    if (c == '(' || c == '{') ++depth;
    if (c == ')' || c == '}') --depth;
    if (c == ',' && depth == 0) {
      finish();
    } else {
      element += c;
    }
  }
  return std::nullopt;
}

// Reads a line such as "assert_size_stride(arg2_1, {s31, 64L}, {64L, 1L}, …", from its first list on. It states facts
// that the conditions leave open: the number of dimensions, and how sizes and strides depend on each other.
bool read_assertion(std::string_view text, TensorSpec& spec) {
  const auto sizes = take_list(text);
  if (!sizes || !text.starts_with(", {")) return false;
  text.remove_prefix(3);
  const auto strides = take_list(text);
  if (!strides || strides->size() != sizes->size()) return false;
  spec.is_scalar = sizes->empty();
  spec.dimensions.resize(sizes->size());
  for (std::size_t i = 0; i < sizes->size(); ++i) {
    auto& each = spec.dimensions[i];
    if (!number((*sizes)[i])) each.size_rule = (*sizes)[i];
    if (const auto stride = number((*strides)[i])) {
      each.stride = stride;
    } else {
      each.stride_rule = (*strides)[i];
    }
  }
  return true;
}

bool is_name(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

bool contains_name(std::string_view text, std::string_view name) {
  for (auto at = text.find(name); at != std::string_view::npos; at = text.find(name, at + 1)) {
    const auto end = at + name.size();
    if ((at == 0 || !is_name(text[at - 1])) && (end == text.size() || !is_name(text[end]))) return true;
  }
  return false;
}

std::string_view trimmed(std::string_view line) {
  const auto first = line.find_first_not_of(" \t");
  return first == std::string_view::npos ? std::string_view{} : line.substr(first);
}

class Reader {
 public:
  WrapperSource read(std::string_view source) {
    while (!source.empty()) {
      const auto end = source.find('\n');
      read_line(source.substr(0, end));
      source = end == std::string_view::npos ? std::string_view{} : source.substr(end + 1);
    }
    if (!result_.inputs.empty()) result_.count = result_.inputs.size();
    result_.is_asserted.resize(result_.inputs.size());
    return std::move(result_);
  }

 private:
  enum class Part { outside, input_check, symbols, body };

  void read_line(std::string_view line) {
    if (line.find("static void check_input_") != std::string_view::npos) {
      result_.inputs.emplace_back();
      part_ = Part::input_check;
    } else if (line.find("AOTInductorModel::run_impl(") != std::string_view::npos) {
      part_ = Part::symbols;
    } else if (line.starts_with('}')) {
      part_ = Part::outside;
    } else if (const auto asserted = line.find("assert_size_stride("); asserted != std::string_view::npos) {
      read_asserted(line.substr(asserted));
    } else if (part_ == Part::input_check) {
      read_check(line, result_.inputs.back());
    } else if (part_ == Part::symbols) {
      read_symbol(trimmed(line));
    } else if (part_ == Part::body && line.find(".reset();") == std::string_view::npos) {
      (result_.body += line) += '\n';
    }
  }

  void read_asserted(std::string_view text) {
    const auto name = between(text, "(", ", {");
    const auto input = name ? names_.find(*name) : names_.end();
    if (input == names_.end()) return;
    const auto start = text.find(", {") + 3;
    result_.is_asserted.resize(result_.inputs.size());
    if (read_assertion(text.substr(start), result_.inputs[input->second])) result_.is_asserted[input->second] = true;
  }

  void read_check(std::string_view line, TensorSpec& spec) {
    if (const auto name = between(line, "ConstantHandle ", " = ConstantHandle(input_handles[")) {
      spec.name = *name;
      names_.emplace(*name, result_.inputs.size() - 1);
    } else if (const auto dtype = between(line, "_expected_dtype = aoti_torch_dtype_", "()")) {
      spec.dtype = dtype_of(*dtype);
      if (!spec.dtype) result_.unknown_dtypes.emplace_back(result_.inputs.size() - 1, *dtype);
    } else if (line.find(".sizes();") != std::string_view::npos) {
      spec.is_scalar = true;  // unless a condition follows
    } else {
      read_condition(line, spec);
    }
    if (!spec.dimensions.empty()) spec.is_scalar = false;
  }

  void read_symbol(std::string_view line) {
    if (line.starts_with("inputs.clear()")) {
      part_ = Part::body;
    } else if (const auto count = between(line, "steal_from_raw_handles_to_raii_handles(input_handles, ", ")")) {
      if (const auto value = number(*count); value && *value >= 0) result_.count = static_cast<std::size_t>(*value);
    } else if (line.starts_with("int64_t ")) {
      const auto name = between(line, "int64_t ", " = ");
      const auto expression = between(line, " = ", ";");
      if (name && expression) result_.symbols.emplace_back(*name, *expression);
    }
  }

  WrapperSource result_;
  std::map<std::string, std::size_t, std::less<>> names_;
  Part part_ = Part::outside;
};

}  // namespace

bool WrapperSource::uses(std::string_view name) const { return body.empty() || contains_name(body, name); }

bool WrapperSource::is_for_operators(std::string_view tensor) const {
  std::string_view rest = body;
  bool is_used = false;
  while (!rest.empty()) {
    const auto end = std::min(rest.find('\n'), rest.size() - 1);
    const auto line = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    if (!contains_name(line, tensor)) continue;
    if (line.find("aoti_torch_") == std::string_view::npos) return false;
    is_used = true;
  }
  return is_used;
}

WrapperSource read_wrapper_source(std::string_view source) { return Reader().read(source); }

}  // namespace greenlane::detail
