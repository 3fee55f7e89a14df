#include "runtime/batch_config.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace greenlane::runtime {
namespace {

// Returns the powers of two below `most`, and `most`.
std::vector<std::int64_t> usual_sizes(std::int64_t most) {
  std::vector<std::int64_t> sizes;
  for (std::int64_t size = 1; size < most; size *= 2) sizes.push_back(size);
  sizes.push_back(most);
  return sizes;
}

std::vector<std::int64_t> read_sizes(TomlTable& table, std::int64_t most) {
  const auto* const node = table.get("batch_sizes");
  if (!node) return usual_sizes(most);
  const auto refuse = [&](const std::string& why) {
    table.fail(*node, "batch_sizes", why,
               "list whole numbers in ascending order, `max_batch` last, or leave the key out for powers of two");
  };
  const auto* const list = node->as_array();
  if (!list || list->empty()) refuse("this is no list of sizes");
  std::vector<std::int64_t> sizes;
  for (const auto& each : *list) {
    const auto size = each.value_exact<std::int64_t>().value_or(0);
    if (size < 1) refuse("a size is no whole number from 1 on");
    if (!sizes.empty() && size <= sizes.back()) refuse("the sizes do not ascend");
    sizes.push_back(size);
  }
  if (sizes.back() != most) refuse("the last size is not `max_batch`");
  return sizes;
}

// Refuses what a batch cannot be made of.
void check_kind(const TomlTable& table, const toml::node& where, const EngineConfig& engine) {
  const auto refuse = [&](const std::string& why, const std::string& remedy) {
    table.fail(where, "max_batch", why, remedy);
  };
  if (engine.stateful) refuse("a stateful engine runs its requests one by one", "leave `max_batch` out");
  if (!engine.from.empty() || !engine.edges.empty())
    refuse("an engine with `from` takes its data from edges, one run at a time", "leave `max_batch` or `from` out");
}

}  // namespace

void read_batch(TomlTable& table, EngineConfig& engine) {
  const auto most = table.get_count("max_batch", "give the most rows of a run, or leave the key out");
  if (!most) {
    for (const auto* key : {"max_delay_ms", "batch_sizes"}) {
      if (const auto* node = table.get(key))
        table.fail(*node, key, "requests do not run together", "give `max_batch`, too, or leave the key out");
    }
    return;
  }
  check_kind(table, *table.get("max_batch"), engine);
  BatchConfig batch{.sizes = read_sizes(table, static_cast<std::int64_t>(*most)),
                    .are_listed = table.get("batch_sizes") != nullptr,
                    .delay = table.get_milliseconds("max_delay_ms").value_or(Nanoseconds(0)),
                    .request_period = engine.period,
                    .request_deadline = engine.deadline};
  if (engine.deadline && batch.delay >= *engine.deadline) {
    table.fail(*table.get("max_delay_ms"), "max_delay_ms", "a request would wait until its deadline",
               "give less than `deadline_ms` (by default the period), and leave time for the run");
  }
  if (engine.period) {
    batch.planned_rows = std::min(batch.most(), 1 + batch.delay / *engine.period);
    *engine.period *= batch.planned_rows;
  } else {
    batch.planned_rows = batch.most();
  }
  if (engine.deadline) *engine.deadline -= batch.delay;
  engine.batch = std::move(batch);
}

}  // namespace greenlane::runtime
