// Computes how long a request takes where several engines share units: queueing theory, without engines or devices.
#pragma once

#include <cstddef>
#include <limits>
#include <span>

namespace greenlane::detail {

inline constexpr double kInfinite = std::numeric_limits<double>::infinity();

// The demand of one engine on a server. It has one request in flight at a time; later ones wait for that request, not
// in the queue.
struct Load {
  enum class Kind {
    periodic,
    random,  // Poisson
    closed,  // always has a request waiting: back to back
  };
  Kind kind = Kind::closed;
  double p50 = 0;
  double p99 = 0;
  double mean = 0;
  double period = kInfinite;  // of open (periodic or random) loads
};

// A response time in the unit of the loads. Infinite where the server cannot keep up.
struct Response {
  double p50 = 0;
  double p99 = 0;
};

// Returns the share of the server's time that open loads need.
[[nodiscard]] double open_utilisation(std::span<const Load> loads);

// Returns the response time of a request of `own`, where all loads are served first come, first served.
[[nodiscard]] Response response_in_queue(std::span<const Load> loads, std::size_t own);

// Returns the response time of a request of `own` beside others that run on the same units at the same time, after
// `blocking` by work that cannot be interrupted. Assumes no order in which the device serves them, only that it is
// never idle meanwhile.
[[nodiscard]] Response response_on_shared_units(std::span<const Load> loads, std::size_t own, double blocking);

}  // namespace greenlane::detail
