// Foreign text on a terminal.
#pragma once

#include <string>
#include <string_view>

namespace greenlane::text {

// Returns the text with everything escaped that a terminal would obey instead of show: control characters ("\x1b",
// "\n"), bidirectional controls and invisible characters ("\u202e"), and bytes that are not UTF-8 ("\xe9"). Other text
// is unchanged, and escaped text is not escaped again.
[[nodiscard]] std::string terminal_text(std::string_view text);

}  // namespace greenlane::text
