// Output without colours and without lines that are drawn anew.
#pragma once

namespace greenlane::text {

// Returns true if only plain lines may be written to the descriptor: it is no terminal, or the user wants no more than
// lines (NO_COLOR is set and not empty, or TERM is "dumb").
[[nodiscard]] bool is_plain_output(int descriptor);

}  // namespace greenlane::text
