// Makes rules, which calls can be checked against, from a wrapper's source.
#pragma once

#include "torch/size_rules.hpp"
#include "torch/wrapper_source.hpp"

#include <string>
#include <vector>

namespace greenlane::detail {

struct SignatureRules {
  SizeRules rules;
  // Facts that the source does not tell, each as a part of a sentence.
  std::vector<std::string> unchecked;
};

[[nodiscard]] SignatureRules make_rules(const WrapperSource& source);

}  // namespace greenlane::detail
