// From a wrapper's source to rules that a call can be checked against.
#pragma once

#include "torch/size_rules.hpp"
#include "torch/wrapper_source.hpp"

#include <string>
#include <vector>

namespace greenlane::detail {

struct SignatureRules {
  SizeRules rules;
  // What cannot be told from the source, a sentence part each.
  std::vector<std::string> unchecked;
};

[[nodiscard]] SignatureRules make_rules(const WrapperSource& source);

}  // namespace greenlane::detail
