// Requests that were not run, as values: torchbind's errors are texts, and Python needs the reason.
#pragma once

#include <greenlane/core/error.hpp>

#include <string>
#include <tuple>
#include <utility>

namespace greenlane::bindings {

// The reason, such as "queue_full", and the message of a RequestError. Both are empty if there was none.
using Refusal = std::tuple<std::string, std::string>;

[[nodiscard]] Refusal refusal_of(const RequestError& error);

// Runs `work`. Returns the RequestError that it threw.
// Throws: all other errors of `work`.
template <typename Work>
[[nodiscard]] Refusal refusal_in(Work&& work) {
  try {
    std::forward<Work>(work)();
  } catch (const RequestError& error) {
    return refusal_of(error);
  }
  return {};
}

}  // namespace greenlane::bindings
