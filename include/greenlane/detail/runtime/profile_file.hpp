// Profiles as JSON.
#pragma once

#include <greenlane/detail/runtime/profile.hpp>

#include <filesystem>
#include <string>

namespace greenlane::runtime {

/// Write and read profiles as JSON, which docs/configuration.md describes.
/// Throws: ConfigError from the readers; the message names the source.
[[nodiscard]] std::string profile_json(const Profile& profile);
/// Reads a profile. `where` names the source in messages.
[[nodiscard]] Profile read_profile(const std::string& json, const std::string& where);
/// Reads a profile from a file.
[[nodiscard]] Profile load_profile(const std::filesystem::path& file);

}  // namespace greenlane::runtime
