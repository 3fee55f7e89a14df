#include "engine_options.hpp"

#include "text/duration.hpp"

#include <torch/library.h>

#include <type_traits>
#include <utility>

namespace greenlane::bindings {
namespace {

// Calls `function(name, field)` for each option.
template <typename Options, typename Function>
void for_each_option(Options& options, Function function) {
  function("name", options.name);
  function("model", options.model);
  function("num_runners", options.num_runners);
  function("resident", options.resident);
  function("views", options.views);
  function("tune", options.tune);
  function("stateful", options.stateful);
  function("urgent_ms", options.urgent_ms);
  function("gates", options.gates);
}

}  // namespace

EngineOptionsDict as_dict(const EngineOptionsObject& options) {
  c10::impl::GenericDict dict(c10::StringType::get(), c10::AnyType::get());
  for_each_option(options, [&](const char* name, const auto& value) { dict.insert(std::string(name), value); });
  return c10::impl::toTypedDict<std::string, c10::IValue>(dict);
}

EngineOptionsPtr from_dict(const EngineOptionsDict& dict) {
  auto options = c10::make_intrusive<EngineOptionsObject>();
  for_each_option(*options, [&](const char* name, auto& value) {
    if (dict.contains(name)) value = dict.at(name).to<std::decay_t<decltype(value)>>();
  });
  return options;
}

std::optional<std::chrono::nanoseconds> deadline_of(std::optional<double> milliseconds) {
  using Milliseconds = std::chrono::duration<double, std::milli>;
  if (!milliseconds) return std::nullopt;
  // The limits are a nanosecond and a day. Five deadlines of a day still fit into nanoseconds.
  TORCH_CHECK_VALUE(*milliseconds >= 1e-6 && *milliseconds <= 86'400'000.0, "a deadline of ", *milliseconds,
                    " ms: give a positive number, or None; a nanosecond is the shortest, and a day is the longest");
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Milliseconds(*milliseconds));
}

std::optional<SliceOptions> slices_of(const std::string& gates) {
  if (gates == "off") return std::nullopt;
  if (gates == "auto") return SliceOptions{};
  const auto longest = text::read_duration(gates, std::chrono::seconds(1));
  TORCH_CHECK_VALUE(longest, "gates='", gates,
                    "' is invalid: use 'auto', 'off' or a time such as '50us', a second at most");
  return SliceOptions{.longest = longest};
}

AotiOptions as_aoti_options(const EngineOptionsObject& options) {
  return {.lane = {},
          .device = {},
          .name = options.name,
          .model = options.model,
          .num_runners = static_cast<std::size_t>(options.num_runners),
          .graphs = options.resident ? Graphs::resident : Graphs::off,
          .graph_options = {.outputs = options.views ? GraphOutputs::views : GraphOutputs::copies,
                            .tune_kernels = options.tune},
          .stateful = options.stateful,
          .urgent = deadline_of(options.urgent_ms),
          .gates = slices_of(options.gates)};
}

void register_engine_options(torch::Library& library) {
  // Raises ValueError unless the deadline and the gates are valid.
  library.def("check_gates(float? urgent_ms, str gates) -> ()",
              [](std::optional<double> urgent_ms, const std::string& gates) {
                (void)deadline_of(urgent_ms);
                (void)slices_of(gates);
              });
  library.class_<EngineOptionsObject>("EngineOptions")
      .def(torch::init<>())
      .def_readwrite("name", &EngineOptionsObject::name)
      .def_readwrite("model", &EngineOptionsObject::model)
      .def_readwrite("num_runners", &EngineOptionsObject::num_runners)
      .def_readwrite("resident", &EngineOptionsObject::resident)
      .def_readwrite("views", &EngineOptionsObject::views)
      .def_readwrite("tune", &EngineOptionsObject::tune)
      .def_readwrite("stateful", &EngineOptionsObject::stateful)
      .def_readwrite("urgent_ms", &EngineOptionsObject::urgent_ms)
      .def_readwrite("gates", &EngineOptionsObject::gates);
}

}  // namespace greenlane::bindings
