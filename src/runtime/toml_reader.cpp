#include "runtime/toml_reader.hpp"

#include "core/named_file.hpp"
#include "text/nearest_name.hpp"

#include <greenlane/core/error.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace greenlane::runtime {

std::string TomlTable::full(std::string_view key) const {
  return name_.empty() ? std::string(key) : name_ + "." + std::string(key);
}

void TomlTable::fail_at(const toml::node& where, const std::string& what, const std::string& why,
                        const std::string& remedy) const {
  throw ConfigError({.what = file_.string() + ":" + std::to_string(where.source().begin.line) + ": " + what,
                     .why = why,
                     .remedy = remedy});
}

void TomlTable::fail(const toml::node& where, std::string_view key, const std::string& why,
                     const std::string& remedy) const {
  fail_at(where, full(key), why, remedy);
}

void TomlTable::fail(const std::string& why, const std::string& remedy) const { fail_at(table_, name_, why, remedy); }

void TomlTable::fail_missing(std::string_view key, const std::string& remedy) const {
  fail(table_, key, "this key is missing", remedy);
}

const toml::node* TomlTable::get(std::string_view key) {
  asked_.emplace(key);
  return table_.get(key);
}

std::string TomlTable::text_of(const toml::node& string, std::string_view key, const std::string& remedy) const {
  auto text = string.as_string()->get();
  if (text.empty()) fail(string, key, "this text is empty", remedy);
  return text;
}

std::optional<std::string> TomlTable::get_string(std::string_view key, const std::string& remedy) {
  const auto* node = get(key);
  if (!node) return std::nullopt;
  if (!node->is_string()) fail(*node, key, "this must be a string", "put it in quotes");
  return text_of(*node, key, remedy);
}

std::optional<double> TomlTable::get_positive(std::string_view key, const std::string& remedy, double most) {
  const auto* node = get(key);
  if (!node) return std::nullopt;
  const auto value = node->is_number() ? node->value<double>() : std::nullopt;
  if (!value || !(*value > 0) || *value > most)
    fail(*node, key, fmt::format("this must be a positive number of at most {:.0f}", most), remedy);
  return value;
}

std::optional<std::size_t> TomlTable::get_count(std::string_view key, const std::string& remedy) {
  constexpr std::int64_t kMost = 1'000'000;
  const auto* node = get(key);
  if (!node) return std::nullopt;
  const auto count = node->is_integer() ? node->as_integer()->get() : 0;
  if (count < 1 || count > kMost) fail(*node, key, "this is no whole number from 1 to 1000000", remedy);
  return static_cast<std::size_t>(count);
}

std::optional<std::chrono::nanoseconds> TomlTable::get_milliseconds(std::string_view key) {
  constexpr double kShortest = 1e-6;  // times are whole nanoseconds
  const auto value = get_positive(key);
  if (!value) return std::nullopt;
  if (*value < kShortest) fail(*get(key), key, "this is shorter than a nanosecond", "give it in milliseconds");
  return from_seconds(*value / 1e3);
}

std::optional<std::chrono::nanoseconds> TomlTable::get_period(std::string_view key, const std::string& remedy) {
  const auto rate = get_positive(key, remedy);
  if (!rate) return std::nullopt;
  // A period is a whole number of nanoseconds. These limits keep it between 1 µs and 1000000 s.
  if (*rate < 1e-6 || *rate > 1e6) fail(*get(key), key, "this is not between 0.000001 and 1000000 a second", remedy);
  return from_seconds(1 / *rate);
}

std::optional<bool> TomlTable::get_bool(std::string_view key) {
  const auto* node = get(key);
  if (!node) return std::nullopt;
  if (!node->is_boolean()) fail(*node, key, "this must be true or false", "write it without quotes");
  return node->as_boolean()->get();
}

std::vector<std::string> TomlTable::get_strings(std::string_view key) {
  const auto* node = get(key);
  if (!node) return {};
  if (!node->is_array()) fail(*node, key, "this must be a list of strings", "write it as [\"…\"]");
  std::vector<std::string> strings;
  for (const auto& element : *node->as_array()) {
    if (!element.is_string()) fail(element, key, "this must be a list of strings", "write it as [\"…\"]");
    strings.push_back(text_of(element, key, "give one, or leave it out of the list"));
  }
  return strings;
}

std::optional<std::filesystem::path> TomlTable::get_file(std::string_view key, NamedFiles files,
                                                         const std::string& remedy) {
  const auto text = get_string(key, remedy);
  if (!text) return std::nullopt;
  const std::filesystem::path named(*text);
  auto path = named.is_absolute() ? named : file_.parent_path() / named;
  if (files == NamedFiles::may_be_missing) return path;
  const auto why = detail::why_unreadable(path);
  if (why.empty()) return path;
  const bool is_missing = why == "there is no such file";
  fail(*get(key), key, "the file '" + path.string() + "' " + (is_missing ? "does not exist" : "cannot be used: " + why),
       remedy);
}

std::vector<TomlTable> TomlTable::get_tables(std::string_view key) {
  const auto* node = get(key);
  if (!node) return {};
  const std::string header = "[" + full(key) + ".name]";
  if (!node->is_table())
    fail(*node, key, "this must be a group of tables", "write " + header + " with the keys below it");
  struct Entry {
    const toml::table* table;
    std::string name;
  };
  std::vector<Entry> entries;
  for (const auto& [name, value] : *node->as_table()) {
    const std::string text(name.str());
    if (!value.is_table())
      fail(value, full(key) + "." + text, "this must be a table", "write " + header + " with the keys below it");
    entries.push_back({value.as_table(), text});
  }
  // The parser sorts by name, but people expect the order of the file.
  std::ranges::sort(entries, {}, [](const Entry& entry) {
    return std::pair(entry.table->source().begin.line, entry.table->source().begin.column);
  });
  std::vector<TomlTable> tables;
  for (const auto& entry : entries) tables.emplace_back(file_, full(key) + "." + entry.name, *entry.table);
  return tables;
}

TomlTable TomlTable::within(std::string_view key, const toml::table& table) const { return {file_, full(key), table}; }

std::string TomlTable::entry_name() const {
  auto name = name_.substr(name_.find('.') + 1);
  if (name.empty()) fail("its name is empty", "write a name behind the point, as in [" + name_ + "policy]");
  return name;
}

void TomlTable::refuse_unknown() const {
  for (const auto& [key, value] : table_) {
    if (asked_.contains(key.str())) continue;
    std::string known;
    for (const auto& name : asked_) known += (known.empty() ? "" : ", ") + name;
    const auto nearest = text::nearest_name(key.str(), std::vector(asked_.begin(), asked_.end()));
    fail(value, key.str(), "there is no such key",
         (nearest ? "did you mean '" + *nearest + "'? " : std::string()) + "known here: " + known);
  }
}

}  // namespace greenlane::runtime
