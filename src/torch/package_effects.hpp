// placeholder
#pragma once
#include <string>
#include <vector>
namespace greenlane::detail {
struct PackageEffects { bool is_known = false; std::vector<bool> writes_input; std::vector<std::string> written_constants; bool draws_random_numbers = false; bool has_hidden_state = false; };
}
