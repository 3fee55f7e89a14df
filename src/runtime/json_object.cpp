#include "runtime/json_object.hpp"

#include "text/json_numbers.hpp"
#include "text/nearest_name.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/core/log.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>  // for join(), which newer versions have there

#include <algorithm>

namespace greenlane::runtime {
namespace {

// Returns JSON's text for a value that is no list and no object. It is ASCII, so it can be cut anywhere.
std::string ascii(const nlohmann::json& value) {
  return value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

std::string shortened(const std::string& text) {
  constexpr std::size_t kMost = 60;
  return text.size() > kMost ? text.substr(0, kMost) + "…" : text;
}

std::string shown(const nlohmann::json& value) {
  if (value.is_array()) return "a list";
  return value.is_object() ? "an object" : shortened(ascii(value));
}

// Returns a key without JSON's quotes.
std::string shown_key(const std::string& key) {
  const auto text = ascii(key);
  return shortened(text.substr(1, text.size() - 2));
}

// Returns the place of the fault, or what the fault is where the library names no place. The rest of its text is about
// the library's own steps.
std::string fault_of(const nlohmann::json::exception& error) {
  const std::string_view text = error.what();
  constexpr std::string_view kBeforePlace = " at ";
  const auto end_of_id = text.find("] ");
  const auto place = text.find(kBeforePlace);
  if (dynamic_cast<const nlohmann::json::parse_error*>(&error) == nullptr || place == std::string_view::npos)
    return std::string(end_of_id == std::string_view::npos ? text : text.substr(end_of_id + 2));
  const auto begin = place + kBeforePlace.size();
  return "look at " + std::string(text.substr(begin, text.find(": ", begin) - begin));
}

}  // namespace

nlohmann::json JsonFile::parse(const std::string& text) const {
  try {
    return nlohmann::json::parse(text);
  } catch (const nlohmann::json::exception& error) {
    fail(text.find_first_not_of(" \t\r\n") == std::string::npos ? "it is empty" : "it is no JSON: " + fault_of(error));
  }
}

void JsonFile::fail(const std::string& why, const std::string& remedy) const {
  throw ConfigError({.what = fault_, .why = why, .remedy = remedy});
}

void JsonFile::warn_of_unknown() const {
  constexpr std::size_t kMost = 5;
  if (unknown_.empty()) return;
  const auto end = unknown_.begin() + static_cast<std::ptrdiff_t>(std::min(kMost, unknown_.size()));
  const auto more = unknown_.size() > kMost ? fmt::format(" and {} more", unknown_.size() - kMost) : "";
  const bool is_one = unknown_.size() == 1;
  warn(
      fmt::format("{} has {} that this greenlane does not know, and ignores: {}{}; correct the {}, unless a newer "
                  "greenlane wrote {}",
                  name_, is_one ? "a key" : "keys", fmt::join(unknown_.begin(), end, ", "), more,
                  is_one ? "name" : "names", is_one ? "it" : "them"));
}

JsonObject::JsonObject(const nlohmann::json& value, std::string path, JsonFile& file)
    : value_(&value), path_(std::move(path)), file_(&file) {
  if (!value.is_object()) file.fail((path_.empty() ? "it" : "'" + path_ + "'") + " is no object");
}

std::string JsonObject::path_of(std::string_view key) const {
  return path_.empty() ? std::string(key) : path_ + "." + std::string(key);
}

std::string JsonObject::described(std::string_view key) const {
  return "'" + path_of(key) + "'" + (owner_.empty() ? "" : " of " + owner_);
}

const nlohmann::json* JsonObject::find(const char* key) {
  asked_.emplace(key);
  const auto found = value_->find(key);
  return found == value_->end() ? nullptr : &*found;
}

const nlohmann::json& JsonObject::get(const char* key) {
  const auto* const value = find(key);
  if (!value) file_->fail(described(key) + " is missing");
  return *value;
}

void JsonObject::refuse(const char* key, const std::string& wanted) const {
  file_->fail(described(key) + " is " + shown(value_->at(key)) + ", and no " + wanted);
}

void JsonObject::refuse_type(const char* key, const std::string& wanted) const {
  file_->fail(described(key) + " is not " + wanted);
}

std::string JsonObject::text(const char* key) {
  const auto& value = get(key);
  if (!value.is_string()) refuse_type(key, "a text");
  auto text = value.get<std::string>();
  if (text.empty()) file_->fail(described(key) + " is an empty text");
  return text;
}

std::optional<std::string> JsonObject::optional_text(const char* key) {
  return find(key) ? std::optional(text(key)) : std::nullopt;
}

bool JsonObject::flag(const char* key) {
  const auto& value = get(key);
  if (!value.is_boolean()) refuse_type(key, "true or false");
  return value.get<bool>();
}

bool JsonObject::flag(const char* key, bool if_absent) { return find(key) ? flag(key) : if_absent; }

std::int64_t JsonObject::whole(const char* key, std::int64_t least, std::int64_t most) {
  const auto count = text::whole_number(get(key), least, most);
  if (!count) refuse(key, fmt::format("whole number from {} to {}", least, most));
  return *count;
}

double JsonObject::number(const char* key, const std::string& wanted, const std::function<bool(double)>& passes) {
  const auto& value = get(key);
  if (!value.is_number() || !passes(value.get<double>())) refuse(key, wanted);
  return value.get<double>();
}

JsonObject JsonObject::inner(const nlohmann::json& value, std::string path) const {
  JsonObject made(value, std::move(path), *file_);
  made.owner_ = owner_;
  return made;
}

JsonObject JsonObject::object(const char* key) { return inner(get(key), path_of(key)); }

std::optional<JsonObject> JsonObject::child(const char* key) {
  const auto* const value = find(key);
  if (!value || value->is_null()) return std::nullopt;
  return inner(*value, path_of(key));
}

std::vector<JsonObject> JsonObject::children(const char* key) {
  const auto& value = get(key);
  if (!value.is_array()) refuse_type(key, "a list");
  std::vector<JsonObject> all;
  for (const auto& each : value) all.push_back(inner(each, fmt::format("{}[{}]", path_of(key), all.size())));
  return all;
}

void JsonObject::note_unknown(std::initializer_list<const char*> others) {
  asked_.insert(others.begin(), others.end());
  for (const auto& [key, value] : value_->items()) {
    if (asked_.contains(key)) continue;
    const auto place = described(shown_key(key));
    const auto nearest = text::nearest_name(key, std::vector(asked_.begin(), asked_.end()));
    file_->note_unknown(nearest ? fmt::format("{} (did you mean '{}'?)", place, *nearest)
                                : fmt::format("{} (known here: {})", place, fmt::join(asked_, ", ")));
  }
}

}  // namespace greenlane::runtime
