// Reads the batches of an engine: `max_batch`, `batch_sizes` and `max_delay_ms`.
#pragma once

#include "runtime/toml_reader.hpp"

#include <greenlane/detail/runtime/config.hpp>

namespace greenlane::runtime {

// Reads the batches of an engine whose other keys have been read, and makes its period and its deadline those of
// batches.
// Throws: ConfigError.
void read_batch(TomlTable& table, EngineConfig& engine);

}  // namespace greenlane::runtime
