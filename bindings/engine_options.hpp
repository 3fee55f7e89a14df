// torch.classes.greenlane.EngineOptions: everything that a package is loaded with, except its path, lane and device.
#pragma once

#include <greenlane/torch/aoti.hpp>

#include <torch/custom_class.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace greenlane::bindings {

struct EngineOptionsObject final : torch::CustomClassHolder {
  std::string name;
  std::string model = "model";
  std::int64_t num_runners = 1;
  bool resident = false;  // whether with resident graphs; the next two are their options
  bool views = false;
  bool tune = true;
  bool stateful = false;
  std::optional<double> urgent_ms;
  std::string gates = "off";
};
using EngineOptionsPtr = c10::intrusive_ptr<EngineOptionsObject>;

// The options by name, as they are pickled.
using EngineOptionsDict = c10::Dict<std::string, c10::IValue>;

[[nodiscard]] EngineOptionsDict as_dict(const EngineOptionsObject& options);
// Takes defaults for options that are missing.
[[nodiscard]] EngineOptionsPtr from_dict(const EngineOptionsDict& dict);

// Returns a deadline. Absent: not urgent.
// Throws: ValueError unless it is positive, and a day at most.
[[nodiscard]] std::optional<std::chrono::nanoseconds> deadline_of(std::optional<double> milliseconds);

// Returns the options of gates: "auto", a longest slice such as "50us", or "off", for which they are absent.
// Throws: ValueError for another text.
[[nodiscard]] std::optional<SliceOptions> slices_of(const std::string& gates);

// Throws: ValueError, as the two above.
[[nodiscard]] AotiOptions as_aoti_options(const EngineOptionsObject& options);

void register_engine_options(torch::Library& library);

}  // namespace greenlane::bindings
