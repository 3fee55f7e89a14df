// How long a request takes where several engines share units: queueing theory, without engines or devices.
#pragma once

#include <cstddef>
#include <limits>
#include <span>

namespace greenlane::detail {

inline constexpr double kInfinite = std::numeric_limits<double>::infinity();

// What one engine asks of a server. It has one request in flight at a time; later ones wait for it, not in the queue.
struct Load {
  enum class Kind {
    periodic,
    random,  // Poisson
    closed,  // always has a request there: back to back
  };
  Kind kind = Kind::closed;
  double p50 = 0;
  double p99 = 0;
  double mean = 0;
  double period = kInfinite;  // of open (periodic or random) ones
};

// In the unit of the loads; infinite where the server cannot keep up.
struct Response {
  double p50 = 0;
  double p99 = 0;
};

// Share of the server's time that open loads need.
[[nodiscard]] double open_utilisation(std::span<const Load> loads);

// A request of `own`, first come, first served among all of them.
[[nodiscard]] Response response_in_queue(std::span<const Load> loads, std::size_t own);

// A request of `own` beside others that run on the same units at the same time, after `blocking` by what cannot be
// interrupted. Nothing is assumed of the order in which the device serves them but that it is never idle meanwhile.
[[nodiscard]] Response response_on_shared_units(std::span<const Load> loads, std::size_t own, double blocking);

}  // namespace greenlane::detail
