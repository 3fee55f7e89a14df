// Reads the users of engines: the tables [tenant.NAME].
#pragma once

#include "runtime/toml_reader.hpp"

#include <greenlane/detail/runtime/config.hpp>

#include <vector>

namespace greenlane::runtime {

// Reads the tenants of a configuration whose engines have been read. The tables are those of `tenant`.
// Throws: ConfigError, also for a tenant without an engine.
void read_tenants(PipelineConfig& config, std::vector<TomlTable>& tables);

// Reads `tenant` of an engine. `tenants`: the tables.
// Throws: ConfigError if no table has this name.
void read_tenant_of(TomlTable& table, const std::vector<TomlTable>& tenants, EngineConfig& engine);

}  // namespace greenlane::runtime
