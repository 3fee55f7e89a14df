#include "engine_text.hpp"

#include <charconv>

namespace tensorrt_double {
namespace {

// Takes the part before the separator off the front.
std::string_view next(std::string_view& text, char separator) {
  const auto part = text.substr(0, text.find(separator));
  text.remove_prefix(part.size() < text.size() ? part.size() + 1 : part.size());
  return part;
}

std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t value = 0;
  const auto* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stop != end || value < 0) return std::nullopt;
  return value;
}

bool read_profiles(std::string_view ranges, EngineText& engine) {
  while (!ranges.empty()) {
    auto range = next(ranges, ',');
    const auto least = number(next(range, '-'));
    const auto greatest = number(range);
    if (!least || !greatest) return false;
    engine.profiles.emplace_back(*least, *greatest);
  }
  return true;
}

bool read_line(std::string_view key, std::string_view value, EngineText& engine) {
  if (key == "profiles") return read_profiles(value, engine);
  const auto given = number(value);
  if (!given) return false;
  if (key == "blocks") {
    engine.blocks = *given;
  } else if (key == "hold") {
    engine.hold = static_cast<std::uint64_t>(*given);
  } else if (key == "kernels") {
    engine.kernels = *given;
  } else if (key == "memory") {
    engine.memory = static_cast<std::size_t>(*given);
  } else if (key == "layers") {
    engine.layers = static_cast<std::uintptr_t>(*given);
  } else if (key == "input") {
    engine.input = *given != 0;
  } else if (key == "alias") {
    engine.alias = *given != 0;
  } else if (key == "shape") {
    engine.shape = *given != 0;
  } else if (key == "count") {
    engine.count = *given != 0;
  } else if (key == "aux") {
    engine.aux = *given != 0;
  } else {
    return false;
  }
  return true;
}

}  // namespace

std::optional<EngineText> parse_engine(std::string_view text) {
  EngineText engine;
  engine.text = text;
  if (text.empty()) return std::nullopt;
  while (!text.empty()) {
    auto value = next(text, '\n');
    const auto key = next(value, '=');
    if (!read_line(key, value, engine)) return std::nullopt;
  }
  if (engine.profiles.empty()) engine.profiles.emplace_back(0, std::int64_t{1} << 40);
  if (engine.blocks < 1 || engine.kernels < 1 || (engine.alias && !engine.input)) return std::nullopt;
  return engine;
}

}  // namespace tensorrt_double
