// Profiles as JSON.
#pragma once

#include <greenlane/runtime/profile.hpp>

#include <filesystem>
#include <string>

namespace greenlane::runtime {

// As JSON: docs/configuration.md describes it. Reading throws ConfigError, which says where it came from.
[[nodiscard]] std::string profile_json(const Profile& profile);
[[nodiscard]] Profile read_profile(const std::string& json, const std::string& where);
[[nodiscard]] Profile load_profile(const std::filesystem::path& file);

}  // namespace greenlane::runtime
