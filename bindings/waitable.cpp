#include "waitable.hpp"

#include <exception>

int greenlane_wait(std::int64_t address, double seconds) {
  const auto* const waitable =
      reinterpret_cast<const greenlane::bindings::Waitable*>(address);  // NOLINT(performance-no-int-to-ptr)
  const std::chrono::duration<double> time(seconds);
  try {
    return waitable->wait_for(std::chrono::duration_cast<std::chrono::nanoseconds>(time)) ? 1 : 0;
  } catch (const std::exception&) {
    return 1;  // the object's own methods throw it, too
  }
}
