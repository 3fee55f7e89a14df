#include "runtime/path_config.hpp"

#include "runtime/edge_config.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>  // for join(), which newer versions have there

#include <algorithm>
#include <cstddef>
#include <optional>
#include <ranges>
#include <string>
#include <utility>

namespace greenlane::runtime {
namespace {

constexpr std::size_t kMostRoutes = 64;

// Reads the name of one of these sources or engines.
template <class Configs>
std::string read_end(TomlTable& table, std::string_view key, const std::string& kind, const Configs& configs) {
  const auto names = configs | std::views::transform([](const auto& one) { return one.name; });
  const auto remedy = configs.empty() ? "describe one in a table [" + kind + ".NAME]"
                                      : fmt::format("name the {}; known here: {}", kind, fmt::join(names, ", "));
  auto name = table.get_string(key, remedy);
  if (!name) table.fail_missing(key, remedy);
  if (std::ranges::find(names, *name) == names.end())
    table.fail(*table.get(key), key, "there is no " + kind + " '" + *name + "'", remedy);
  return *std::move(name);
}

// The ways of data from a source to an engine.
class RouteSearch {
 public:
  RouteSearch(const PipelineConfig& config, const std::string& source)
      : config_(config), source_(source), is_fed_(config.engines.size()) {
    while (spread()) {
    }
  }

  // Returns all routes to the engine, or more than kMostRoutes of them.
  std::vector<std::vector<std::size_t>> to(std::size_t engine) && {
    add(engine, {});
    return std::move(routes_);
  }

 private:
  // Returns whether an edge carries data of the source.
  [[nodiscard]] bool carries(const EdgeConfig& edge) const {
    if (edge.is_feedback) return false;
    const auto producer = find_engine(config_, edge.producer);
    return producer ? is_fed_[*producer] : edge.producer == source_;
  }

  // Marks engines that get data of the source from those that are marked. Returns whether there is a new one.
  bool spread() {
    bool is_new = false;
    for (std::size_t i = 0; i < is_fed_.size(); ++i) {
      const auto& edges = config_.engines[i].edges;
      if (is_fed_[i] || std::ranges::none_of(edges, [&](const EdgeConfig& edge) { return carries(edge); })) continue;
      is_fed_[i] = is_new = true;
    }
    return is_new;
  }

  // Adds the routes through this engine to `rest`, against the flow of data. Each step leads to a route.
  void add(std::size_t engine, std::vector<std::size_t> rest) {
    rest.insert(rest.begin(), engine);
    for (const auto& edge : config_.engines[engine].edges) {
      if (routes_.size() > kMostRoutes) return;
      if (!carries(edge)) continue;
      if (const auto producer = find_engine(config_, edge.producer))
        add(*producer, rest);
      else
        routes_.push_back(rest);
    }
  }

  const PipelineConfig& config_;
  const std::string& source_;
  std::vector<bool> is_fed_;
  std::vector<std::vector<std::size_t>> routes_;
};

PathConfig read_path(TomlTable& table, const PipelineConfig& config) {
  PathConfig path;
  path.name = table.entry_name();
  path.deadline = table.get_milliseconds("deadline_ms");
  (void)table.get("from");
  (void)table.get("to");
  table.refuse_unknown();
  path.from = read_end(table, "from", "source", config.sources);
  path.to = read_end(table, "to", "engine", config.engines);
  path.routes = RouteSearch(config, path.from).to(find_engine(config, path.to).value());
  if (path.routes.empty()) {
    table.fail(
        *table.get("to"), "to", "no data of source '" + path.from + "' reaches engine '" + path.to + "'",
        "name an engine that takes from it, directly or through other engines; edges with `initial` do not count");
  }
  if (path.routes.size() > kMostRoutes) {
    table.fail(
        *table.get("to"), "to",
        fmt::format("there are more than {} ways from source '{}' to engine '{}'", kMostRoutes, path.from, path.to),
        "end the path at an earlier engine");
  }
  return path;
}

// Returns what a path's deadline leaves to the engines of a route: the timers on it wait for one period each.
Nanoseconds deadline_on(const PipelineConfig& config, const std::vector<std::size_t>& route, Nanoseconds deadline) {
  auto left = deadline;
  for (const auto index : route) {
    const auto& engine = config.engines[index];
    if (engine.has_timer) left -= engine.period.value();
  }
  return left > Nanoseconds(0) ? left : deadline;
}

void set_deadlines(PipelineConfig& config) {
  std::vector<std::optional<Nanoseconds>> shortest(config.engines.size());
  for (const auto& path : config.paths) {
    if (!path.deadline) continue;
    for (const auto& route : path.routes) {
      const auto deadline = deadline_on(config, route, path.deadline.value());
      for (const auto engine : route) shortest[engine] = std::min(shortest[engine].value_or(deadline), deadline);
    }
  }
  for (std::size_t i = 0; i < shortest.size(); ++i) {
    auto& deadline = config.engines[i].deadline;
    if (!deadline) deadline = shortest[i];
  }
}

}  // namespace

void read_paths(PipelineConfig& config, std::vector<TomlTable>& tables) {
  for (auto& table : tables) config.paths.push_back(read_path(table, config));
  set_deadlines(config);
}

}  // namespace greenlane::runtime
