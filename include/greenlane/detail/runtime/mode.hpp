// The ways in which the engines of a pipeline share the device.
#pragma once

#include <array>
#include <optional>
#include <string_view>

namespace greenlane::runtime {

/// On a CPU a plain stream is a thread that is not pinned.
enum class Mode {
  lanes,     ///< each lane has a partition of its own; lanes that share units have gates
  gates,     ///< all engines on the whole device, with gates between urgent and best-effort ones
  shared,    ///< plain streams
  priority,  ///< plain streams with priorities
};
/// All modes, in the order of `--mode compare`.
inline constexpr std::array kAllModes{Mode::lanes, Mode::gates, Mode::shared, Mode::priority};

/// Returns the mode's name on the command line.
[[nodiscard]] std::string_view to_string(Mode mode);
/// Returns: nothing for a name that no mode has.
[[nodiscard]] std::optional<Mode> mode_named(std::string_view name);

}  // namespace greenlane::runtime
