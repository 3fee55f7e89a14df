#include "core/named_file.hpp"
#include "runtime/batch_config.hpp"
#include "runtime/edge_config.hpp"
#include "runtime/lane_rules.hpp"
#include "runtime/metrics/endpoint_address.hpp"
#include "runtime/path_config.hpp"
#include "runtime/tenant_config.hpp"
#include "runtime/toml_reader.hpp"
#include "text/duration.hpp"
#include "text/first_line.hpp"

#include <greenlane/core/device.hpp>
#include <greenlane/core/error.hpp>
#include <greenlane/detail/runtime/config.hpp>

#include <algorithm>
#include <chrono>
#include <string_view>

namespace greenlane::runtime {
namespace {

namespace fs = std::filesystem;

toml::table parse(const fs::path& file) {
  const std::string remedy = "name a pipeline's TOML file; paths in it are relative to it";
  const auto why = detail::why_unreadable(file);
  if (!why.empty()) throw ConfigError({.what = file.string(), .why = why, .remedy = remedy});
  const auto text = detail::read_named_file(file, file.string(), remedy);
  try {
    return toml::parse(text, file.string());
  } catch (const toml::parse_error& error) {
    throw ConfigError({.what = file.string() + ":" + std::to_string(error.source().begin.line) + ":" +
                               std::to_string(error.source().begin.column),
                       .why = "this is no valid TOML: " + text::first_line(error.description()),
                       .remedy = "see docs/configuration.md for an example"});
  }
}

// Returns policy.outputs.pt for policy.inputs.pt, or an empty path where that file does not exist.
fs::path outputs_beside(const fs::path& inputs) {
  std::string name = inputs.filename().string();
  const auto at = name.rfind(".inputs.");
  if (at == std::string::npos) return {};
  const fs::path path = inputs.parent_path() / name.replace(at, 8, ".outputs.");
  std::error_code ignored;
  // A folder or a link that leads nowhere counts as there, so that reading it fails: nobody wants an unchecked run.
  return fs::symlink_status(path, ignored).type() == fs::file_type::not_found ? fs::path{} : path;
}

// Reads `gates`: "auto", "off", or a time such as "50us".
void read_gates(TomlTable& table, EngineConfig& engine) {
  const auto gates = table.get_string("gates");
  if (!gates || *gates == "auto") return;
  engine.gates = *gates != "off";
  if (!engine.gates) return;
  engine.slice = text::read_duration(*gates, std::chrono::seconds(1));
  if (!engine.slice)
    table.fail(*table.get("gates"), "gates", "this is neither a choice nor a time", R"(use "auto", "off" or "50us")");
}

// Reads a file that must be named.
fs::path named_file(TomlTable& table, std::string_view key, NamedFiles files, const std::string& remedy) {
  const auto path = table.get_file(key, files, remedy);
  if (!path) table.fail_missing(key, remedy);
  return *path;
}

// Reads `model`, a package, or `module` and `python`, a module of the program.
void read_model(TomlTable& table, NamedFiles files, EngineConfig& engine) {
  engine.module = table.get_string("module", "name a module that the program passes").value_or("");
  if (!table.get("module")) {
    if (!table.get("model"))
      table.fail_missing("model", "name a package (`model`), or a module that the program passes (`module`)");
    engine.model =
        named_file(table, "model", files, "export the model first, or correct the path (relative to the TOML file)");
    if (const auto* python = table.get("python"))
      table.fail(*python, "python", "only modules can run under Python's lock", "leave it out, or give a `module`");
    return;
  }
  if (const auto* model = table.get("model"))
    table.fail(*model, "model", "the engine is module '" + engine.module + "' already", "leave one of the two out");
  engine.python = table.get_bool("python").value_or(false);
}

// Reads what concerns requests of a program.
void read_serving(TomlTable& table, EngineConfig& engine) {
  if (const auto count = table.get_count("request_queue", "give the number of requests that may wait for the engine"))
    engine.request_queue = *count;
  if (const auto on_error = table.get_string("on_error")) {
    engine.stops_on_error = *on_error == "stop";
    if (!engine.stops_on_error && *on_error != "keep")
      table.fail(*table.get("on_error"), "on_error", "there is no such choice",
                 R"(use "keep" (the default) or "stop")");
  }
  if (const auto hang = table.get_positive("hang_ms")) {
    if (*hang < 1 || *hang > 1e9)
      table.fail(*table.get("hang_ms"), "hang_ms", "this is not between 1 and 1000000000 milliseconds",
                 "give the time after which a run counts as hanging");
    engine.hang_after = from_seconds(*hang / 1e3);
  }
  engine.check_outputs = table.get_bool("check_outputs").value_or(false);
}

// Reads `seed` of an engine whose kind has been read.
void read_seed(TomlTable& table, EngineConfig& engine) {
  const auto* const seed = table.get("seed");
  if (!seed) return;
  const auto number = seed->value_exact<std::int64_t>();
  if (!number || *number < 0)
    table.fail(*seed, "seed", "this is no whole number from 0 to 2^63 - 1", "give such a number, or leave the key out");
  if (engine.python || !engine.graphs) {
    table.fail(*seed, "seed", "an engine that is not replayed from CUDA graphs draws from PyTorch's default generator",
               "seed PyTorch (torch.manual_seed), and leave the key out");
  }
  engine.seed = static_cast<std::uint64_t>(*number);
}

// Reads `deadline_ms`. An engine with a timer has its period as its deadline otherwise.
void read_deadline(TomlTable& table, EngineConfig& engine) {
  const auto deadline = table.get_milliseconds("deadline_ms");
  if (deadline && !engine.has_timer && !table.get("on")) {
    table.fail(*table.get("deadline_ms"), "deadline_ms",
               "an engine without rate_hz runs back to back and cannot have a deadline",
               "give it a rate_hz, or leave the deadline out");
  }
  engine.deadline = deadline ? deadline : engine.period;
}

// Reads `arrivals` of an engine whose edges have been read.
void read_arrivals(TomlTable& table, EngineConfig& engine) {
  const auto arrivals = table.get_string("arrivals");
  if (!arrivals) return;
  const auto refuse = [&](const std::string& why, const std::string& remedy) {
    table.fail(*table.get("arrivals"), "arrivals", why, remedy);
  };
  if (*arrivals == "poisson") {
    engine.arrivals = Arrivals::poisson;
  } else if (*arrivals != "periodic") {
    refuse("there is no such choice", R"(use "periodic" (the default) or "poisson")");
  }
  if (table.get("on")) refuse("an engine with `on` has no arrivals", "leave `arrivals` or `on` out");
  if (!engine.has_timer)
    refuse("an engine without rate_hz runs back to back and has no arrivals",
           "give it a rate_hz, or leave the key out");
  if (!engine.edges.empty() && engine.arrivals == Arrivals::poisson) {
    refuse("an engine with `from` and rate_hz has a timer, and a timer's runs are periodic",
           R"(use "periodic", or leave the key out)");
  }
}

EngineConfig read_engine(TomlTable& table, const std::vector<std::string>& producers,
                         const std::vector<TomlTable>& tenants, NamedFiles files) {
  EngineConfig engine;
  engine.name = table.entry_name();
  read_model(table, files, engine);
  engine.inputs =
      named_file(table, "inputs", files, "save a list of example inputs with torch.save, or correct the path");
  engine.outputs = outputs_beside(engine.inputs);
  engine.period = table.get_period("rate_hz", "leave the key out where the engine is to run back to back");
  engine.has_timer = engine.period.has_value();
  read_edges(table, producers, files, engine);
  read_deadline(table, engine);
  engine.lane = table.get_string("lane", "name the lane, or leave the key out").value_or(engine.name);
  if (const auto graphs = table.get_string("graphs")) {
    engine.graphs = *graphs == "resident";
    if (!engine.graphs && *graphs != "off")
      table.fail(*table.get("graphs"), "graphs", "there is no such choice", R"(use "resident" (the default) or "off")");
  }
  read_gates(table, engine);
  read_arrivals(table, engine);
  engine.weight =
      table.get_positive("weight", "give a factor, or leave the key out for a weight of 1", kMostWeight).value_or(1);
  engine.tune_kernels = table.get_bool("tune_kernels").value_or(true);
  engine.stateful = table.get_bool("stateful").value_or(false);
  read_seed(table, engine);
  read_serving(table, engine);
  read_tenant_of(table, tenants, engine);
  read_batch(table, engine);
  table.refuse_unknown();
  return engine;
}

// Reads the pipeline's `device`.
std::string read_device(TomlTable& root) {
  auto device = root.get_string("device", "use cpu, cuda:N or auto").value_or("auto");
  if (device == "auto") return device;
  try {
    (void)DeviceId::parse(device);
  } catch (const DeviceError& error) {
    root.fail(*root.get("device"), "device", error.what(), "");
  }
  return device;
}

LaneConfig read_lane(TomlTable& table) {
  LaneConfig lane;
  lane.name = table.entry_name();
  if (const auto* units = table.get("units")) {
    const std::string remedy = "give a number of SMs or cores, \"rest\", or leave the key out";
    if (units->is_integer()) {
      const auto count = units->as_integer()->get();
      if (count < 1 || count > 1'000'000)
        table.fail(*units, "units", std::to_string(count) + " is no sensible number of units", remedy);
      lane.units = UnitRequest(static_cast<int>(count));
    } else if (units->is_string() && units->as_string()->get() == "rest") {
      lane.units = UnitRequest(rest);
    } else {
      table.fail(*units, "units", "this is neither a whole number nor \"rest\"", remedy);
    }
  }
  lane.beside = table.get_string("beside", "name the lane, or leave the key out").value_or("");
  lane.device = table.get_string("device", kLaneDeviceRemedy).value_or("");
  if (const auto why = why_no_lane_device(lane.device); !why.empty())
    table.fail(*table.get("device"), "device", why, kLaneDeviceRemedy);
  table.refuse_unknown();
  return lane;
}

// Reads the lanes that engines use.
void read_lanes(PipelineConfig& config, std::vector<TomlTable>& tables) {
  for (const auto& engine : config.engines) {
    if (std::ranges::find(config.lanes, engine.lane, &LaneConfig::name) != config.lanes.end()) continue;
    const auto table = std::ranges::find(tables, "lane." + engine.lane, &TomlTable::name);
    config.lanes.push_back(table == tables.end() ? LaneConfig{.name = engine.lane, .units = {}} : read_lane(*table));
  }
  for (auto& table : tables) {
    const auto lane = read_lane(table);
    if (std::ranges::find(config.lanes, lane.name, &LaneConfig::name) != config.lanes.end()) continue;
    table.fail("no engine runs on this lane", "name it as the `lane` of an engine, or remove it");
  }
  settle_neighbours(config.lanes, config.device,
                    [&](const LaneConfig& lane, const std::string& why, const std::string& remedy) {
                      auto& table = *std::ranges::find(tables, "lane." + lane.name, &TomlTable::name);
                      table.fail(*table.get("beside"), "beside", why, remedy);
                    });
}

std::string read_metrics(TomlTable& root) {
  const auto text = root.get_string("metrics");
  if (!text) return {};
  try {
    (void)EndpointAddress::parse(*text);
  } catch (const ConfigError& error) {
    root.fail(*root.get("metrics"), "metrics", error.what(), "");
  }
  return *text;
}

}  // namespace

PipelineConfig load_config(const fs::path& file, NamedFiles files) {
  const toml::table document = parse(file);
  const fs::path folder = file.parent_path();
  TomlTable root(file, "", document);

  PipelineConfig config;
  config.file = file;
  config.device = read_device(root);
  for (const auto& library : root.get_strings("libraries")) {
    // The system's library search finds a bare name.
    const bool bare = library.find('/') == std::string::npos;
    config.libraries.push_back(bare || fs::path(library).is_absolute() ? fs::path(library) : folder / library);
  }
  config.metrics = read_metrics(root);
  auto sources = root.get_tables("source");
  auto engines = root.get_tables("engine");
  auto paths = root.get_tables("path");
  auto lanes = root.get_tables("lane");
  auto tenants = root.get_tables("tenant");
  root.refuse_unknown();  // `engine` or `source` may be misspelled
  if (engines.empty()) root.fail_missing("engine", "describe at least one engine in a table [engine.NAME]");
  std::vector<std::string> producers;
  for (const auto& table : sources) producers.push_back(table.entry_name());
  for (const auto& table : engines) producers.push_back(table.entry_name());
  for (auto& table : sources) config.sources.push_back(read_source(table, files));
  for (auto& table : engines) config.engines.push_back(read_engine(table, producers, tenants, files));
  read_lanes(config, lanes);
  read_tenants(config, tenants);
  check_edges(config, sources, engines);
  read_paths(config, paths);
  check_blocking(config, engines);
  return config;
}

int streams_of(const PipelineConfig& config) {
  constexpr int kDefaultStream = 1;
  const auto lanes = std::max(config.engines.size(), config.lanes.size());
  return static_cast<int>(lanes + config.sources.size()) + kDefaultStream;
}

}  // namespace greenlane::runtime
