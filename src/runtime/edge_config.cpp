#include "runtime/edge_config.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>  // for join(), which newer versions have there

#include <algorithm>
#include <charconv>
#include <ranges>
#include <system_error>
#include <utility>

namespace greenlane::runtime {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

// One entry of `from`. Another entry of the same producer may give what is absent here.
struct FromEntry {
  const toml::node* where;
  std::string output;  // as in the file: "vision" or "vision.1"
  std::optional<std::size_t> queue{};
  std::optional<Overflow> overflow{};
  std::optional<fs::path> initial{};  // empty: zeros
};

std::optional<Overflow> read_overflow(TomlTable& table) {
  const auto overflow = table.get_string("overflow");
  if (!overflow) return std::nullopt;
  if (*overflow == "drop_oldest") return Overflow::drop_oldest;
  if (*overflow == "reject") return Overflow::reject;
  if (*overflow == "block") return Overflow::block;
  table.fail(*table.get("overflow"), "overflow", "there is no such choice",
             R"(use "drop_oldest" (the default), "reject" or "block")");
}

std::optional<fs::path> read_initial(TomlTable& table, NamedFiles files) {
  const std::string remedy =
      R"(use "zeros", or save a list of the producer's outputs with torch.save, or correct the path)";
  if (table.get_string("initial", remedy) == "zeros") return fs::path();
  return table.get_file("initial", files, remedy);
}

FromEntry read_entry(const TomlTable& engine, const toml::node& node, NamedFiles files) {
  if (node.is_string())
    return {.where = &node, .output = engine.text_of(node, "from", R"(name a source or an engine, as in "vision")")};
  if (!node.is_table()) {
    engine.fail(node, "from", "an entry must be a string or a table",
                R"(write "vision", or { output = "vision", queue = 8 })");
  }
  auto table = engine.within("from", *node.as_table());
  const std::string remedy = R"(name a source or an engine, as in { output = "vision" })";
  FromEntry entry{.where = &node, .output = table.get_string("output", remedy).value_or("")};
  entry.queue = table.get_count("queue", "give the number of values that may wait, or leave the key out");
  entry.overflow = read_overflow(table);
  entry.initial = read_initial(table, files);
  table.refuse_unknown();
  if (!table.get("output")) table.fail_missing("output", remedy);
  return entry;
}

// Reads `from`: a list, or the only entry.
std::vector<FromEntry> read_entries(TomlTable& table, NamedFiles files) {
  const auto* from = table.get("from");
  if (!from) return {};
  if (from->is_string() || from->is_table()) return {read_entry(table, *from, files)};
  const std::string remedy = R"(write it as ["camera", "vision.1"], an entry for each input of the model)";
  if (!from->is_array()) table.fail(*from, "from", "this must be a list, a string or a table", remedy);
  if (from->as_array()->empty()) table.fail(*from, "from", "the list is empty", remedy + ", or leave the key out");
  std::vector<FromEntry> entries;
  for (const auto& node : *from->as_array()) entries.push_back(read_entry(table, node, files));
  return entries;
}

// Returns the producer that an entry names, and the number of its output.
std::pair<std::string, std::size_t> find_output(const TomlTable& table, const FromEntry& entry,
                                                const Names& producers) {
  const auto is_known = [&](const std::string& name) { return std::ranges::find(producers, name) != producers.end(); };
  if (is_known(entry.output)) return {entry.output, 0};
  const auto point = entry.output.rfind('.');
  const auto producer = entry.output.substr(0, point);
  if (point == std::string::npos || !is_known(producer)) {
    table.fail(*entry.where, "from", "there is no source or engine '" + entry.output + "'",
               fmt::format("known here: {}", fmt::join(producers, ", ")));
  }
  const auto digits = entry.output.substr(point + 1);
  std::size_t number = 0;
  const auto* const last = digits.data() + digits.size();
  const auto [end, error] = std::from_chars(digits.data(), last, number);
  constexpr std::size_t kMost = 999;
  if (error != std::errc() || end != last || number > kMost) {
    table.fail(*entry.where, "from", "'" + digits + "' is no number of an output of '" + producer + "'",
               "count outputs from 0 to 999, as in \"" + producer + ".1\" for the second one");
  }
  return {producer, number};
}

// Adds what another entry of the same producer says.
void merge_entry(const TomlTable& table, FromEntry& known, const FromEntry& other) {
  const auto merge_key = [&](auto& value, const auto& more, const std::string& key) {
    if (!value) value = more;
    if (more && value != more) {
      table.fail(*other.where, "from." + key, "an earlier entry of the same producer has another `" + key + "`",
                 "give it once: an engine has one edge for all that it takes from one producer");
    }
  };
  merge_key(known.queue, other.queue, "queue");
  merge_key(known.overflow, other.overflow, "overflow");
  merge_key(known.initial, other.initial, "initial");
}

// Returns the entry of `from` that has this key for the edge, or else the edge's first entry.
const toml::node& entry_of(TomlTable& table, const EngineConfig& engine, std::size_t edge, std::string_view key) {
  const auto* const from = table.get("from");
  if (!from->is_array()) return *from;
  const toml::node* first = nullptr;
  for (std::size_t i = 0; i < engine.from.size(); ++i) {
    if (engine.from[i].edge != edge) continue;
    const auto* const entry = from->as_array()->get(i);
    if (entry->is_table() && entry->as_table()->contains(key)) return *entry;
    if (!first) first = entry;
  }
  return *first;
}

[[noreturn]] void fail_edge(TomlTable& table, const EngineConfig& engine, std::size_t edge, const std::string& key,
                            const std::string& why, const std::string& remedy) {
  table.fail(entry_of(table, engine, edge, key), key.empty() ? "from" : "from." + key, why, remedy);
}

// Sets an edge to what its entries say together.
void set_edge(TomlTable& table, EngineConfig& engine, std::size_t edge, const FromEntry& entry) {
  if (entry.overflow && !entry.queue) {
    fail_edge(table, engine, edge, "overflow", "only a queue can be full",
              "give the entry a `queue`, or leave `overflow` out");
  }
  if (entry.initial && entry.queue) {
    fail_edge(table, engine, edge, "queue", "an edge with `initial` data closes a cycle, and cannot be a queue",
              "leave `queue` or `initial` out");
  }
  auto& config = engine.edges[edge];
  config.queue = entry.queue.value_or(0);
  config.overflow = entry.overflow.value_or(Overflow::drop_oldest);
  config.is_feedback = entry.initial.has_value();
  config.initial = entry.initial.value_or("");
}

void read_inputs(TomlTable& table, const Names& producers, NamedFiles files, EngineConfig& engine) {
  std::vector<FromEntry> merged;  // one for each edge
  for (auto& entry : read_entries(table, files)) {
    auto [producer, output] = find_output(table, entry, producers);
    const auto known = std::ranges::find(engine.edges, producer, &EdgeConfig::producer);
    const auto edge = static_cast<std::size_t>(known - engine.edges.begin());
    engine.from.push_back({.edge = edge, .output = output});
    if (known != engine.edges.end()) {
      merge_entry(table, merged[edge], entry);
      continue;
    }
    engine.edges.push_back({.producer = std::move(producer)});
    merged.push_back(std::move(entry));
  }
  for (std::size_t edge = 0; edge < merged.size(); ++edge) set_edge(table, engine, edge, merged[edge]);
}

// Reads `on`: a list of producers, or one.
void read_triggers(TomlTable& table, EngineConfig& engine) {
  const auto* on = table.get("on");
  if (!on) return;
  const auto names = on->is_string() ? Names{table.text_of(*on, "on", "name a producer in `from`, or write `on = []`")}
                                     : table.get_strings("on");
  if (names.empty()) return;
  if (engine.edges.empty())
    table.fail(*on, "on", "without `from` no data comes", "name the model's inputs in `from`, or leave `on` out");
  if (engine.has_timer) table.fail(*on, "on", "its timer (`rate_hz`) makes it run already", "leave one of the two out");
  for (const auto& name : names) {
    const auto edge = std::ranges::find(engine.edges, name, &EdgeConfig::producer);
    if (edge == engine.edges.end()) {
      const auto known = engine.edges | std::views::transform(&EdgeConfig::producer);
      table.fail(
          *on, "on", "'" + name + "' is no producer in `from`",
          fmt::format("`on` names producers, without numbers of outputs; known here: {}", fmt::join(known, ", ")));
    }
    if (edge->is_feedback) {
      table.fail(*on, "on", "the edge from '" + name + "' has `initial` data, and such an edge makes nothing run",
                 "name another producer, or give the engine a rate_hz instead of `on`");
    }
    edge->triggers = true;
  }
}

bool has_consumer(const PipelineConfig& config, std::string_view name) {
  return std::ranges::any_of(config.engines, [&](const EngineConfig& engine) {
    return std::ranges::find(engine.edges, name, &EdgeConfig::producer) != engine.edges.end();
  });
}

void check_sources(const PipelineConfig& config, const std::vector<TomlTable>& tables) {
  for (std::size_t i = 0; i < tables.size(); ++i) {
    const auto& name = config.sources[i].name;
    if (find_engine(config, name)) tables[i].fail("an engine has the same name", "give the source another name");
    if (!has_consumer(config, name))
      tables[i].fail("no engine takes from this source", "name it in the `from` of an engine, or remove it");
    std::set<std::size_t> taken;
    for (const auto& engine : config.engines) {
      for (const auto& input : engine.from) {
        if (engine.edges[input.edge].producer == name) taken.insert(input.output);
      }
    }
    for (std::size_t number = 0; number < *taken.rbegin(); ++number) {
      if (taken.contains(number)) continue;
      tables[i].fail(fmt::format("no engine takes its tensor {}, but one takes tensor {}", number, *taken.rbegin()),
                     "number the tensors of a source from 0, without gaps");
    }
  }
}

// Checks that something makes the producers of an engine run.
void check_producers(const PipelineConfig& config, std::size_t index, std::vector<TomlTable>& tables) {
  const auto& engine = config.engines[index];
  for (std::size_t edge = 0; edge < engine.edges.size(); ++edge) {
    const auto& name = engine.edges[edge].producer;
    const auto producer = find_engine(config, name);
    if (!producer || config.engines[*producer].has_timer || tables[*producer].get("on")) continue;
    fail_edge(tables[index], engine, edge, "", "nothing makes engine '" + name + "' run, so its outputs never come",
              "give it a rate_hz, or `from` and `on`, or `on = []` if the program triggers it");
  }
  const auto* on = tables[index].get("on");
  if (on && engine.edges.empty() && !has_consumer(config, engine.name)) {
    tables[index].fail(*on, "on", "the engine takes nothing and no engine takes from it, so nothing needs a trigger",
                       "leave `on` out");
  }
}

// Sorts engines so that a producer comes before its consumers. Feedback edges do not count.
class FlowOrder {
 public:
  FlowOrder(const PipelineConfig& config, std::vector<TomlTable>& tables)
      : config_(config), tables_(tables), states_(config.engines.size(), State::unseen) {}

  // Throws: ConfigError for a cycle.
  std::vector<std::size_t> sort() && {
    for (std::size_t engine = 0; engine < states_.size(); ++engine) visit(engine);
    return std::move(order_);
  }

 private:
  enum class State { unseen, open, done };

  void visit(std::size_t engine) {
    if (states_[engine] == State::done) return;
    states_[engine] = State::open;
    way_.push_back(engine);
    for (const auto& edge : config_.engines[engine].edges) {
      const auto producer = find_engine(config_, edge.producer);
      if (!producer || edge.is_feedback) continue;
      if (states_[*producer] == State::open) refuse_cycle(*producer);
      visit(*producer);
    }
    way_.pop_back();
    states_[engine] = State::done;
    order_.push_back(engine);
  }

  // The cycle is the end of the way, from this engine on.
  [[noreturn]] void refuse_cycle(std::size_t first) const {
    const auto begin = std::ranges::find(way_, first);
    const auto& engine = config_.engines[first];
    // The way leads from consumers to producers, and data flows against it.
    std::string cycle = engine.name;
    for (const auto index : std::ranges::subrange(begin, way_.end()) | std::views::reverse)
      cycle += " -> " + config_.engines[index].name;
    const auto& producer = config_.engines[begin + 1 == way_.end() ? first : *(begin + 1)].name;
    const auto edge = std::ranges::find(engine.edges, producer, &EdgeConfig::producer) - engine.edges.begin();
    fail_edge(tables_[first], engine, static_cast<std::size_t>(edge), "", "edges form a cycle: " + cycle,
              "give one of these edges `initial` data, as in { output = \"" + producer + R"(", initial = "zeros" })");
  }

  const PipelineConfig& config_;
  std::vector<TomlTable>& tables_;
  std::vector<State> states_;
  std::vector<std::size_t> way_;  // open engines, each the consumer of the next one
  std::vector<std::size_t> order_;
};

// Returns whether the edge to this engine is part of a cycle of edges, with feedback edges among them.
bool is_in_cycle(const PipelineConfig& config, std::size_t engine, const EdgeConfig& edge) {
  std::vector<bool> is_seen(config.engines.size());
  std::vector<std::size_t> open;
  const auto add = [&](const EdgeConfig& one) {
    const auto producer = find_engine(config, one.producer);
    if (!producer || is_seen[*producer]) return;
    is_seen[*producer] = true;
    open.push_back(*producer);
  };
  add(edge);
  while (!open.empty()) {
    const auto next = open.back();
    open.pop_back();
    for (const auto& one : config.engines[next].edges) add(one);
  }
  return is_seen[engine];
}

void check_feedback(const PipelineConfig& config, std::vector<TomlTable>& tables) {
  for (std::size_t i = 0; i < config.engines.size(); ++i) {
    const auto& edges = config.engines[i].edges;
    for (std::size_t edge = 0; edge < edges.size(); ++edge) {
      if (!edges[edge].is_feedback || is_in_cycle(config, i, edges[edge])) continue;
      fail_edge(tables[i], config.engines[i], edge, "initial",
                "the edge from '" + edges[edge].producer + "' closes no cycle",
                "leave `initial` out: the engine waits for the first value");
    }
  }
}

// Returns the longest period of the data that makes an engine run. All of it must be new, so one producer without a
// period leaves the engine without one.
std::optional<Nanoseconds> period_of_data(const PipelineConfig& config, const EngineConfig& engine) {
  std::optional<Nanoseconds> longest;
  for (const auto& edge : engine.edges) {
    if (!edge.triggers) continue;
    const auto producer = find_engine(config, edge.producer);
    const auto source = std::ranges::find(config.sources, edge.producer, &SourceConfig::name);
    const auto period = producer ? config.engines[*producer].period : source->period;
    if (!period) return std::nullopt;
    longest = std::max(longest, period);
  }
  return longest;
}

}  // namespace

SourceConfig read_source(TomlTable& table, NamedFiles files) {
  SourceConfig source;
  source.name = table.entry_name();
  source.period = table.get_period("rate_hz", "leave the key out where the rate is not known");
  source.items =
      table.get_file("items", files, "record items of this source, or correct the path, or leave the key out")
          .value_or("");
  table.refuse_unknown();
  return source;
}

void read_edges(TomlTable& table, const Names& producers, NamedFiles files, EngineConfig& engine) {
  read_inputs(table, producers, files, engine);
  read_triggers(table, engine);
  engine.max_age = table.get_milliseconds("max_age_ms");
  if (engine.max_age && engine.edges.empty()) {
    table.fail(*table.get("max_age_ms"), "max_age_ms", "only inputs that come by edges have an age",
               "name the inputs in `from`, or leave the key out");
  }
  if (engine.edges.empty() || engine.has_timer || table.get("on")) return;
  table.fail(*table.get("from"), "from", "nothing makes it run",
             "give it a rate_hz, or name in `on` the producers whose new data makes it run, or write `on = []` if only "
             "the program's trigger() does");
}

void check_edges(PipelineConfig& config, const std::vector<TomlTable>& sources, std::vector<TomlTable>& engines) {
  check_sources(config, sources);
  for (std::size_t i = 0; i < config.engines.size(); ++i) check_producers(config, i, engines);
  const auto order = FlowOrder(config, engines).sort();
  check_feedback(config, engines);
  for (const auto index : order) {
    auto& engine = config.engines[index];
    if (!engine.has_timer) engine.period = period_of_data(config, engine);
  }
}

void check_blocking(const PipelineConfig& config, std::vector<TomlTable>& engines) {
  const std::string remedy = R"(use "drop_oldest" (the default) or "reject")";
  for (std::size_t i = 0; i < config.engines.size(); ++i) {
    const auto& edges = config.engines[i].edges;
    for (std::size_t edge = 0; edge < edges.size(); ++edge) {
      if (edges[edge].overflow != Overflow::block) continue;
      const auto refuse = [&](const std::string& why) {
        fail_edge(engines[i], config.engines[i], edge, "overflow", why, remedy);
      };
      const auto& name = edges[edge].producer;
      const auto producer = find_engine(config, name);
      if (is_in_cycle(config, i, edges[edge])) refuse("the edge from '" + name + "' is part of a cycle");
      if (producer && config.engines[*producer].deadline)
        refuse("engine '" + name + "' has a deadline, and must not wait until its consumer has room");
    }
  }
}

std::optional<std::size_t> find_engine(const PipelineConfig& config, std::string_view name) {
  const auto found = std::ranges::find(config.engines, name, &EngineConfig::name);
  if (found == config.engines.end()) return std::nullopt;
  return static_cast<std::size_t>(found - config.engines.begin());
}

std::optional<std::size_t> find_source(const PipelineConfig& config, std::string_view name) {
  const auto found = std::ranges::find(config.sources, name, &SourceConfig::name);
  if (found == config.sources.end()) return std::nullopt;
  return static_cast<std::size_t>(found - config.sources.begin());
}

}  // namespace greenlane::runtime
