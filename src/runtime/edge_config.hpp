// Reads the data that flows between engines: the tables [source.NAME], and `from`, `on` and `max_age_ms` of engines.
#pragma once

#include "runtime/toml_reader.hpp"

#include <greenlane/detail/runtime/config.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace greenlane::runtime {

// Reads [source.NAME].
// Throws: ConfigError, like all functions here.
[[nodiscard]] SourceConfig read_source(TomlTable& table, NamedFiles files);

// Reads the edges to an engine whose rate has been read. `producers` are the names of all sources and engines.
void read_edges(TomlTable& table, const std::vector<std::string>& producers, NamedFiles files, EngineConfig& engine);

// Checks that sources are used, that something makes every producer run, and that edges without initial data form no
// cycle. Sets the periods of engines that new data makes run. The tables are those of the configuration's sources and
// engines, in its order.
void check_edges(PipelineConfig& config, const std::vector<TomlTable>& sources, std::vector<TomlTable>& engines);

// Refuses `overflow = "block"` in cycles and behind engines with deadlines. Call it when all deadlines are set.
void check_blocking(const PipelineConfig& config, std::vector<TomlTable>& engines);

// Returns the index of an engine. Absent: no engine has this name, but a source may.
[[nodiscard]] std::optional<std::size_t> find_engine(const PipelineConfig& config, std::string_view name);

// Returns the index of a source. Absent: no source has this name, but an engine may.
[[nodiscard]] std::optional<std::size_t> find_source(const PipelineConfig& config, std::string_view name);

}  // namespace greenlane::runtime
