#include "planner/queue.hpp"

#include <algorithm>
#include <cmath>

namespace greenlane::detail {
namespace {

// Most rounds of an iteration. A fixed point that is not found by then is replaced by a bound in closed form.
constexpr int kMostRounds = 32;

bool is_open(const Load& load) { return load.kind != Load::Kind::closed; }

// Returns the arrivals within a half-open window, at least 1.
double arrivals(double window, double period) { return std::max(1.0, std::ceil(window / period - 1e-9)); }

// The wait in an M/G/1 queue. Its mean is Pollaczek and Khinchine's: a request finds each load in service with the
// probability of that load's share of the time. It waits for the rest of that service, and for the work that arrives
// meanwhile. This time is uniform where few requests wait and exponential where many do (exact for M/M/1); the longer
// of the two answers counts. Both grow with every load and rate. The second moment of a service is bounded by mean ×
// p99, as if no service took longer than its p99.
class Wait {
 public:
  // Takes the random loads for which `own` waits; `own` may be random or not. The work of `closed` is behind each
  // request of `own`.
  Wait(std::span<const Load> loads, std::size_t own, const Load& closed) : loads_(loads), own_(own), closed_(closed) {}

  // Returns the wait for all open loads, periodic and random.
  static Wait of_all_open(std::span<const Load> loads) {
    Wait wait(loads, loads.size(), {});
    wait.random_only_ = false;
    return wait;
  }

  // Returns a quantile of the wait. `load` is the whole load of the server. Loads that have no part in the wait delay
  // its end.
  [[nodiscard]] double quantile(double q, double load) const {
    if (load >= 1) return kInfinite;
    // Newton's steps come from below and never go too far, because the probability is convex. The logarithm of the
    // exponential one is convex too.
    const double uniform = root([&](double wait) {
      const Tail tail = longer_if_uniform(wait, load);
      return tail.probability > 1 - q ? (tail.probability - (1 - q)) / tail.slope : 0;
    });
    const double exponential = root([&](double wait) {
      const Tail tail = longer_if_exponential(wait, load);
      return tail.probability > 1 - q ? tail.probability * std::log(tail.probability / (1 - q)) / tail.slope : 0;
    });
    return std::max(uniform, exponential);
  }

 private:
  // The probability that the wait is longer, and how fast it falls.
  struct Tail {
    double probability = 0;
    double slope = 0;
  };

  template <typename Step>
  static double root(const Step& step_at) {
    double wait = 0;
    for (int round = 0; round < kMostRounds; ++round) {
      const double step = step_at(wait);
      wait += step;
      if (step <= 1e-9 * wait) break;
    }
    return wait;
  }

  [[nodiscard]] Tail longer_if_uniform(double wait, double load) const {
    Tail tail;
    for_each([&](double share, double longest) {
      const double slope = share * (1 - load) / longest;
      if (share <= wait * slope) return;
      tail.probability += share - wait * slope;
      tail.slope += slope;
    });
    return tail;
  }

  [[nodiscard]] Tail longer_if_exponential(double wait, double load) const {
    Tail tail;
    for_each([&](double share, double longest) {
      const double decay = 2 * (1 - load) / longest;
      const double probability = share * (wait > 0 ? std::exp(-decay * wait) : 1);
      tail.probability += probability;
      tail.slope += probability * decay;
    });
    return tail;
  }

  // Visits each load that has a part in the wait, with its share of the time and its longest service.
  template <typename Visit>
  void for_each(const Visit& visit) const {
    for (std::size_t i = 0; i < loads_.size(); ++i) {
      const auto& other = loads_[i];
      if (!is_open(other) || (random_only_ && other.kind != Load::Kind::random)) continue;
      visit((other.mean + (i == own_ ? closed_.mean : 0)) / other.period, other.p99 + (i == own_ ? closed_.p99 : 0));
    }
  }

  std::span<const Load> loads_;
  std::size_t own_;
  Load closed_;
  bool random_only_ = true;
};

// Returns the smallest window that is as long as the work which arrives in it; `otherwise` where it is not found soon.
template <typename Work>
double fixed_point(const Work& work, double otherwise) {
  double window = work(0.0);
  for (int round = 0; round < kMostRounds && std::isfinite(window); ++round) {
    const double next = work(window);
    if (next <= window * (1 + 1e-12)) return window;
    window = next;
  }
  return otherwise;
}

double positive_or_infinite(double numerator, double denominator) {
  return denominator > 0 ? numerator / denominator : kInfinite;
}

// Returns the wait that half of the requests stay below, for all open loads.
double median_wait(std::span<const Load> loads, double load) { return Wait::of_all_open(loads).quantile(0.5, load); }

}  // namespace

double open_utilisation(std::span<const Load> loads) {
  double utilisation = 0;
  for (const auto& load : loads) {
    if (is_open(load)) utilisation += load.mean / load.period;
  }
  return utilisation;
}

// At most one request of every other engine is ahead of each request. Periodic engines can be in any phase, so each of
// them counts; the wait covers the random ones. Own requests that come meanwhile find the same again. They find those
// of closed engines every time: n of them in a window of n periods.
Response response_in_queue(std::span<const Load> loads, std::size_t own) {
  const Load& me = loads[own];
  Load closed;  // all other closed loads together
  int closed_count = 0;
  for (std::size_t i = 0; i < loads.size(); ++i) {
    if (i == own || is_open(loads[i])) continue;
    closed.p50 += loads[i].p50;
    closed.p99 += loads[i].p99;
    closed.mean += loads[i].mean;
    ++closed_count;
  }
  double load = open_utilisation(loads);
  if (is_open(me)) load += closed.mean / me.period;
  if (load >= 1) return {.p50 = kInfinite, .p99 = kInfinite};

  double periodic_p99 = 0;
  double rest_of_server = me.kind == Load::Kind::periodic ? 1 - (me.p99 + closed.p99) / me.period : 1;
  for (std::size_t i = 0; i < loads.size(); ++i) {
    const auto& other = loads[i];
    if (i == own || other.kind != Load::Kind::periodic) continue;
    periodic_p99 += other.p99;
    rest_of_server -= other.p99 / other.period;
  }
  const double random_wait = Wait(loads, own, closed).quantile(0.99, load);
  const auto work = [&](double window) {
    const double requests = me.kind == Load::Kind::periodic ? arrivals(window, me.period) : 1;
    double sum = random_wait + requests * (me.p99 + closed.p99);
    for (std::size_t i = 0; i < loads.size(); ++i) {
      const auto& other = loads[i];
      if (i == own || other.kind != Load::Kind::periodic) continue;
      // One more than the arrivals, because an earlier request may be late.
      sum += std::min(requests, arrivals(window, other.period) + 1) * other.p99;
    }
    return sum;
  };
  double p99 =
      fixed_point(work, positive_or_infinite(random_wait + me.p99 + closed.p99 + 2 * periodic_p99, rest_of_server));
  // Without closed loads the server is idle at times, and the bound that holds for every order may be lower.
  if (me.kind == Load::Kind::periodic && p99 > me.period && closed_count == 0)
    p99 = std::min(p99, response_on_shared_units(loads, own, 0).p99);
  // Half of the closed request that is being served is over.
  const double closed_p50 = closed_count == 0 ? 0 : closed.p50 * (closed_count - 0.5) / closed_count;
  return {.p50 = std::min(me.p50 + closed_p50 + median_wait(loads, load), p99), .p99 = p99};
}

// The busy period bounds the response in every order. It begins with the blocking.
Response response_on_shared_units(std::span<const Load> loads, std::size_t own, double blocking) {
  const Load& me = loads[own];
  const double load = open_utilisation(loads);
  const auto closed = std::ranges::count_if(loads, [](const Load& other) { return !is_open(other); });
  // A load that is always there leaves the others an unknown share.
  if (load >= 1 || (closed > 0 && loads.size() > 1)) return {.p50 = kInfinite, .p99 = kInfinite};

  double periodic_p99 = 0;
  double rest_of_server = 1;
  for (const auto& other : loads) {
    if (other.kind != Load::Kind::periodic) continue;
    periodic_p99 += other.p99;
    rest_of_server -= other.p99 / other.period;
  }
  const double fixed =
      Wait(loads, own, {}).quantile(0.99, load) + blocking + (me.kind == Load::Kind::periodic ? 0 : me.p99);
  const auto work = [&](double window) {
    double sum = fixed;
    for (const auto& other : loads) {
      if (other.kind == Load::Kind::periodic) sum += arrivals(window, other.period) * other.p99;
    }
    return sum;
  };
  const double p99 = fixed_point(work, positive_or_infinite(fixed + periodic_p99, rest_of_server));
  return {.p50 = std::min(me.p50 + blocking / 2 + median_wait(loads, load), p99), .p99 = p99};
}

}  // namespace greenlane::detail
