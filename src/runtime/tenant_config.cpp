#include "runtime/tenant_config.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

namespace greenlane::runtime {
namespace {

constexpr double kMostRate = 1e6;

TenantConfig read_tenant(TomlTable& table) {
  TenantConfig tenant{.name = table.entry_name()};
  tenant.weight =
      table.get_positive("weight", "give a factor, or leave the key out for a weight of 1", kMostWeight).value_or(1);
  tenant.request_queue = table.get_count("request_queue", "give the number of requests that may wait for its engines");
  tenant.rate_hz =
      table.get_positive("rate_hz", "give requests per second, or leave the key out for any number", kMostRate);
  const auto burst = table.get_count("burst", "give the number of requests that may come at once");
  if (burst && !tenant.rate_hz) {
    table.fail(*table.get("burst"), "burst", "the tenant has no limit of its rate",
               "give `rate_hz`, too, or leave the key out");
  }
  if (tenant.rate_hz) tenant.burst = burst ? static_cast<double>(*burst) : std::ceil(*tenant.rate_hz);
  table.refuse_unknown();
  return tenant;
}

}  // namespace

void read_tenant_of(TomlTable& table, const std::vector<TomlTable>& tenants, EngineConfig& engine) {
  engine.tenant = table.get_string("tenant", "name a table [tenant.NAME], or leave the key out").value_or("");
  if (engine.tenant.empty()) return;
  const auto known = [&](const TomlTable& each) { return each.entry_name() == engine.tenant; };
  if (std::ranges::any_of(tenants, known)) return;
  table.fail(*table.get("tenant"), "tenant", "there is no table [tenant." + engine.tenant + "]",
             "add one, or correct the name");
}

void read_tenants(PipelineConfig& config, std::vector<TomlTable>& tables) {
  for (auto& table : tables) {
    auto tenant = read_tenant(table);
    if (std::ranges::find(config.engines, tenant.name, &EngineConfig::tenant) == config.engines.end())
      table.fail("no engine has this tenant", "name it as the `tenant` of an engine, or remove it");
    config.tenants.push_back(std::move(tenant));
  }
}

}  // namespace greenlane::runtime
