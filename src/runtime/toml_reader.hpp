// Reads TOML tables strictly: a key that nobody asked for is an error.
#pragma once

#include <toml++/toml.h>

#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace greenlane::runtime {

// One table of the file, e.g. [engine.policy].
// Throws: ConfigError, naming file, line and key, from every get_* where the value is of another type or out of range.
class TomlTable {
 public:
  TomlTable(std::filesystem::path file, std::string name, const toml::table& table)
      : file_(std::move(file)), name_(std::move(name)), table_(table) {}

  [[nodiscard]] std::optional<std::string> get_string(std::string_view key);
  [[nodiscard]] std::optional<double> get_positive(std::string_view key);
  [[nodiscard]] std::optional<bool> get_bool(std::string_view key);
  [[nodiscard]] std::vector<std::string> get_strings(std::string_view key);
  // Returns the value itself, or null.
  [[nodiscard]] const toml::node* get(std::string_view key);
  // Returns the tables in a table of tables such as [engine.*], in the order of the file.
  [[nodiscard]] std::vector<TomlTable> get_tables(std::string_view key);

  // Throws for the first key that no get_* asked for, and names the nearest known key.
  void refuse_unknown() const;

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  // Throws an error that begins with "robot.toml:12: …".
  [[noreturn]] void fail(const toml::node& where, std::string_view key, const std::string& why,
                         const std::string& remedy) const;
  // Throws an error about the table itself.
  [[noreturn]] void fail(const std::string& why, const std::string& remedy) const;
  [[noreturn]] void fail_missing(std::string_view key, const std::string& remedy) const;

 private:
  [[noreturn]] void fail_at(const toml::node& where, const std::string& what, const std::string& why,
                            const std::string& remedy) const;
  [[nodiscard]] std::string full(std::string_view key) const;

  std::filesystem::path file_;
  std::string name_;
  const toml::table& table_;
  std::set<std::string, std::less<>> asked_;
};

}  // namespace greenlane::runtime
