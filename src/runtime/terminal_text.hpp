// Text of others on a terminal, for the program too, which does not include core's own headers.
#pragma once

#include "core/terminal_text.hpp"

namespace greenlane::runtime {

using detail::terminal_text;

}  // namespace greenlane::runtime
