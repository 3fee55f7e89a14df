// Which code a run reached: the compiler calls back at each basic block (-fsanitize-coverage=trace-pc).
#pragma once

namespace greenlane::fuzz {

// Forgets what was reached by the last run, and looks on.
void begin_coverage();
// Whether something was reached that no run reached before, or much more often.
[[nodiscard]] bool end_coverage();
// How many places were reached in all.
[[nodiscard]] int places_reached();

}  // namespace greenlane::fuzz
