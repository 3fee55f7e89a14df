// Records the code that a run reached: the compiler calls back at each basic block (-fsanitize-coverage=trace-pc).
#pragma once

namespace greenlane::fuzz {

// Forgets the edges of the last run, and starts to record.
void begin_coverage();
// Returns whether the run took an edge that no run had taken before, or took an edge much more often.
[[nodiscard]] bool end_coverage();
// Returns the number of edges that all runs took together.
[[nodiscard]] int edges_reached();

}  // namespace greenlane::fuzz
