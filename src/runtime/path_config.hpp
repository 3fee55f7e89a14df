// Reads the ways of data that have deadlines or are measured: the tables [path.NAME].
#pragma once

#include "runtime/toml_reader.hpp"

#include <greenlane/detail/runtime/config.hpp>

#include <vector>

namespace greenlane::runtime {

// Reads the paths of a configuration whose edges have been checked, and finds their routes. An engine without a
// deadline on a path that has one gets it, less the periods of the timers on its route.
// Throws: ConfigError.
void read_paths(PipelineConfig& config, std::vector<TomlTable>& tables);

}  // namespace greenlane::runtime
