#include "cli/parse_refusal.hpp"

#include "cli/name_list.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

namespace greenlane::cli {
namespace {

std::vector<std::string> commands_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const auto* command : app.get_subcommands({})) names.push_back(command->get_name());
  return names;
}

// Returns the names of all options, without dashes.
std::vector<std::string> options_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const auto* option : app.get_options()) {
    const auto& all = option->get_lnames();
    names.insert(names.end(), all.begin(), all.end());
  }
  return names;
}

// Returns "greenlane" or "greenlane run".
std::string name_of(const CLI::App& app) {
  return app.get_parent() ? app.get_parent()->get_name() + " " + app.get_name() : app.get_name();
}

bool is_option(std::string_view argument) { return argument.size() > 1 && argument.starts_with('-'); }

ConfigError no_such_option(const CLI::App& app, std::string_view argument) {
  const auto written = argument.substr(0, argument.find('='));
  auto known = options_of(app);
  for (auto& name : known) name.insert(0, "--");
  // `-json` and `json` mean `--json`, too.
  const auto dashed = "--" + std::string(written.substr(std::min(written.find_first_not_of('-'), written.size())));
  return ConfigError({.what = fmt::format("there is no option '{}' of `{}`", written, name_of(app)),
                      .why = {},
                      .remedy = guess(dashed, known) + "use " + name_list(known)});
}

// Returns the first argument that nobody took: an option, if one is among them.
std::optional<std::string> left_over(const CLI::App& app) {
  const auto all = app.remaining();
  if (all.empty()) return std::nullopt;
  const auto option = std::ranges::find_if(all, is_option);
  return option == all.end() ? all.front() : *option;
}

const CLI::Option* missing(const CLI::App& app) {
  const auto options = app.get_options();
  const auto found = std::ranges::find_if(
      options, [](const CLI::Option* option) { return option->get_required() && option->count() == 0; });
  return found == options.end() ? nullptr : *found;
}

// Returns the option that CLI11's text is about.
const CLI::Option* option_in(const CLI::App& app, const std::string& text) {
  const CLI::Option* found = nullptr;
  for (const auto* option : app.get_options()) {
    const auto name = option->get_name();
    // "--plan" is the beginning of "--plan-of-another-device".
    if (text.find(name) != std::string::npos && (!found || name.size() > found->get_name().size())) found = option;
  }
  return found;
}

// Returns the refusal of a value. Our validators begin with the value, and CLI11 writes "OPTION: " before it.
ConfigError refused_value(const std::string& text) {
  const auto colon = text.find(": ");
  return ConfigError(
      {.what = text.substr(0, colon) + text.substr(std::min(colon + 1, text.size())), .why = {}, .remedy = {}});
}

// Returns the refusal of an option that lacks its value, has two, or has one although it is a flag.
ConfigError refused_count(const CLI::App& app, const std::string& text) {
  const auto help = fmt::format("`{} --help` describes it", name_of(app));
  const auto* option = option_in(app, text);
  if (!option)
    return ConfigError({.what = text, .why = {}, .remedy = fmt::format("look at `{} --help`", name_of(app))});
  const auto name = option->get_name();
  if (option->get_expected_max() == 0)
    return ConfigError({.what = name + " takes no value", .why = {}, .remedy = "write it alone: " + help});
  if (option->count() > 1)
    return ConfigError({.what = name + " is given more than once", .why = {}, .remedy = "give it once: " + help});
  return ConfigError({.what = name + " has no value", .why = {}, .remedy = "write one behind it: " + help});
}

}  // namespace

void require_command(const CLI::App& app, const std::string& name) {
  const auto known = commands_of(app);
  if (std::ranges::find(known, name) != known.end()) return;
  throw ConfigError({.what = fmt::format("there is no command '{}'", name),
                     .why = {},
                     .remedy = guess(name, known) + "use " + name_list(known)});
}

ConfigError parse_refusal(const CLI::App& app, const CLI::ParseError& error) {
  const auto parsed = app.get_subcommands();
  const CLI::App& command = parsed.empty() ? app : *parsed.back();
  // CLI11 finds missing arguments before unknown options. A mistyped option explains more.
  for (const auto* each : {&app, &command}) {
    const auto argument = left_over(*each);
    if (argument && is_option(*argument)) return no_such_option(*each, *argument);
  }
  if (dynamic_cast<const CLI::ExtrasError*>(&error)) {
    const auto argument = left_over(command).value_or(error.what());
    return ConfigError({.what = fmt::format("`{}` takes no further argument '{}'", name_of(command), argument),
                        .why = {},
                        .remedy = fmt::format("leave it out: `{} --help` shows what it takes", name_of(command))});
  }
  if (dynamic_cast<const CLI::RequiredError*>(&error)) {
    if (parsed.empty())
      return ConfigError({.what = "a command is missing",
                          .why = {},
                          .remedy = "use " + name_list(commands_of(app)) + ": `greenlane --help` describes them"});
    if (const auto* option = missing(command))
      return ConfigError({.what = fmt::format("{} of `{}` is missing", option->get_name(), name_of(command)),
                          .why = "the command needs a pipeline's TOML file",
                          .remedy = fmt::format("name one, as in `{} pipeline.toml`", name_of(command))});
  }
  if (dynamic_cast<const CLI::RequiresError*>(&error))
    return ConfigError({.what = error.what(), .why = {}, .remedy = "give both, or neither"});
  if (dynamic_cast<const CLI::ValidationError*>(&error)) return refused_value(error.what());
  return refused_count(command, error.what());
}

}  // namespace greenlane::cli
