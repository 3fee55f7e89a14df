#include "runtime/toml_reader.hpp"

#include <greenlane/core/error.hpp>

#include <algorithm>
#include <numeric>

namespace greenlane::runtime {
namespace {

// Returns the Levenshtein distance, for "did you mean".
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, change});
    }
  }
  return row.back();
}

}  // namespace

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

std::optional<std::string> TomlTable::get_string(std::string_view key) {
  const auto* node = get(key);
  if (!node) return std::nullopt;
  if (!node->is_string()) fail(*node, key, "this must be a string", "put it in quotes");
  return node->as_string()->get();
}

std::optional<double> TomlTable::get_positive(std::string_view key) {
  const auto* node = get(key);
  if (!node) return std::nullopt;
  const auto value = node->is_number() ? node->value<double>() : std::nullopt;
  if (!value || !(*value > 0) || *value > 1e12)
    fail(*node, key, "this must be a positive number", "leave the key out where nothing is asked");
  return value;
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
    strings.push_back(element.as_string()->get());
  }
  return strings;
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

void TomlTable::refuse_unknown() const {
  for (const auto& [key, value] : table_) {
    const std::string_view text = key.str();
    if (asked_.contains(text)) continue;
    // A prefix counts as nearly right: 'rate' is nearer to 'rate_hz' than to 'gates'.
    const auto strangeness = [&](const std::string& known) {
      const bool is_begun = text.size() >= 3 && (known.starts_with(text) || text.starts_with(known));
      return is_begun ? std::size_t{1} : distance(known, text);
    };
    const auto nearest = std::ranges::min_element(asked_, {}, strangeness);
    std::string known;
    for (const auto& name : asked_) known += (known.empty() ? "" : ", ") + name;
    const bool close = nearest != asked_.end() && strangeness(*nearest) <= 2;
    fail(value, text, "there is no such key",
         (close ? "did you mean '" + *nearest + "'? " : std::string()) + "known here: " + known);
  }
}

}  // namespace greenlane::runtime
