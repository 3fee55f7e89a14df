// Text of others on a terminal.
#pragma once

#include <string>
#include <string_view>

namespace greenlane::text {

// The text with everything escaped that a terminal would obey instead of show: control characters ("\x1b", "\n"),
// bidirectional controls and invisible characters ("\u202e"), and bytes that are not UTF-8 ("\xe9"). Text without
// these is given back as it is, and what was escaped once is not escaped again.
[[nodiscard]] std::string terminal_text(std::string_view text);

}  // namespace greenlane::text
