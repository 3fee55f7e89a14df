// JSON files that others may have written: every value is checked before it is used.
#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace greenlane::runtime {

// One file: how its faults are told, and which of its keys nobody knows.
class JsonFile {
 public:
  // `fault` begins each message of a fault, as in "plan.json is no plan". `remedy` is for a value of another form.
  JsonFile(std::string name, std::string fault, std::string remedy)
      : name_(std::move(name)), fault_(std::move(fault)), remedy_(std::move(remedy)) {}

  // Throws: ConfigError if the text is no JSON.
  [[nodiscard]] nlohmann::json parse(const std::string& text) const;

  // Throws: ConfigError.
  [[noreturn]] void fail(const std::string& why, const std::string& remedy) const;
  [[noreturn]] void fail(const std::string& why) const { fail(why, remedy_); }

  // Keeps a key for the warning. A newer greenlane may have written it, so it is no fault.
  void note_unknown(std::string key) { unknown_.push_back(std::move(key)); }
  // Writes one warning that names the unknown keys, if there are any.
  void warn_of_unknown() const;

 private:
  std::string name_;
  std::string fault_;
  std::string remedy_;
  std::vector<std::string> unknown_;
};

// An object in a file. A key that was asked for is known.
// Throws: ConfigError, naming file, key and value, from every reader whose value is missing, of another type or out of
// range.
// Lifetime: the file and the value outlive it.
class JsonObject {
 public:
  // `path` leads to the object, as in "lanes[1]". Throws: ConfigError if the value is no object.
  JsonObject(const nlohmann::json& value, std::string path, JsonFile& file);

  // Names what the object and the objects in it are of in messages, as in "engine 'policy'".
  void set_owner(std::string owner) { owner_ = std::move(owner); }

  // Returns a value of any type; null if it is absent.
  [[nodiscard]] const nlohmann::json* find(const char* key);
  // Reads a text that is not empty.
  [[nodiscard]] std::string text(const char* key);
  [[nodiscard]] std::optional<std::string> optional_text(const char* key);
  [[nodiscard]] bool flag(const char* key);
  [[nodiscard]] bool flag(const char* key, bool if_absent);
  // Reads a whole number from `least` to `most`, both inclusive.
  [[nodiscard]] std::int64_t whole(const char* key, std::int64_t least, std::int64_t most);
  // Reads a number that passes. `wanted` says which do, as in "share from 0 to 1".
  [[nodiscard]] double number(const char* key, const std::string& wanted, const std::function<bool(double)>& passes);
  [[nodiscard]] JsonObject object(const char* key);
  // Returns an object; nothing if it is absent or null.
  [[nodiscard]] std::optional<JsonObject> child(const char* key);
  // Returns the objects of a list.
  [[nodiscard]] std::vector<JsonObject> children(const char* key);

  // Throws: ConfigError: the value of the key is no such thing.
  [[noreturn]] void refuse(const char* key, const std::string& wanted) const;
  // Tells the file which keys nobody asked for, except for `others`: greenlane writes these for other readers.
  void note_unknown(std::initializer_list<const char*> others = {});

  [[nodiscard]] JsonFile& file() const noexcept { return *file_; }

 private:
  [[nodiscard]] std::string path_of(std::string_view key) const;
  [[nodiscard]] std::string described(std::string_view key) const;
  [[nodiscard]] const nlohmann::json& get(const char* key);
  [[nodiscard]] JsonObject inner(const nlohmann::json& value, std::string path) const;
  [[noreturn]] void refuse_type(const char* key, const std::string& wanted) const;

  const nlohmann::json* value_;
  std::string path_;
  std::string owner_;
  JsonFile* file_;
  std::set<std::string, std::less<>> asked_;
};

}  // namespace greenlane::runtime
