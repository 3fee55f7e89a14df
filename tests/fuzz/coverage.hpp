// Records the code that a run reached: the compiler calls back at each basic block (-fsanitize-coverage=trace-pc).
#pragma once

namespace greenlane::fuzz {

// Forgets the places of the last run, and starts to record.
void begin_coverage();
// Returns whether the run reached a place that no run had reached before, or reached one much more often.
[[nodiscard]] bool end_coverage();
// Returns the number of places that all runs reached together.
[[nodiscard]] int places_reached();

}  // namespace greenlane::fuzz
