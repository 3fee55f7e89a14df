// The texts of caught errors.
#pragma once

#include <exception>
#include <string>

namespace greenlane::runtime {

// Returns the text of an error, which must not be null.
[[nodiscard]] inline std::string text_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& known) {
    return known.what();
  } catch (...) {
    return "an exception that is no std::exception";
  }
}

}  // namespace greenlane::runtime
