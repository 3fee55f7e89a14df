#include "runtime/serving/tenant.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace greenlane::runtime {

bool Tenant::take_token(Clock::time_point now) {
  if (!options_.rate_hz) return true;
  const std::scoped_lock lock(mutex_);
  const std::chrono::duration<double> since = now - filled_.value_or(now);
  filled_ = std::max(now, filled_.value_or(now));
  tokens_ = std::min(options_.burst, tokens_ + std::max(0.0, since.count()) * *options_.rate_hz);
  if (tokens_ < 1) return false;
  tokens_ -= 1;
  return true;
}

Tenant::Place Tenant::admit(Clock::time_point now) {
  const auto others = waiting_++;
  Place place(shared_from_this());
  if (options_.waiting && others >= *options_.waiting) {
    refuse(fmt::format("{} of its requests wait already", *options_.waiting),
           "submit fewer, or raise `request_queue` of the tenant", RequestError::Reason::queue_full);
  }
  if (!take_token(now)) {
    refuse(fmt::format("it may send {:g} requests per second", options_.rate_hz.value_or(0)),
           "submit fewer, or raise `rate_hz` of the tenant", RequestError::Reason::too_many);
  }
  return place;
}

void Tenant::refuse(const std::string& why, const std::string& remedy, RequestError::Reason reason) {
  ++refused_;
  throw RequestError({.what = "a request of tenant '" + options_.name + "' was not run", .why = why, .remedy = remedy},
                     reason);
}

}  // namespace greenlane::runtime
