#include "runtime/edges/outlet.hpp"

#include <algorithm>
#include <utility>

namespace greenlane::runtime {

void Outlet::attach(std::shared_ptr<Intake> intake, std::size_t edge, bool early) {
  intake->on_room(edge, on_room_);
  ends_.push_back({.intake = std::move(intake), .edge = edge, .early = early});
}

bool Outlet::has_room() const {
  return std::ranges::all_of(ends_, [](const End& end) { return end.intake->has_room(end.edge); });
}

bool Outlet::wait_for_room(Clock::time_point until) const {
  return std::ranges::all_of(ends_, [&](const End& end) { return end.intake->wait_for_room(end.edge, until); });
}

void Outlet::expect() const {
  for (const auto& end : ends_) end.intake->expect(end.edge);
}

void Outlet::hand_out(Published& published, bool early) const {
  for (const auto& end : ends_) {
    if (end.early == early && !end.intake->put(end.edge, published.value)) published.was_taken = false;
  }
}

Outlet::Published Outlet::begin(std::shared_ptr<const Payload> payload, SourceItems items, std::uint64_t epoch) {
  auto value = std::make_shared<Value>(Value{.payload = std::move(payload), .epoch = epoch, .items = std::move(items)});
  {
    const std::scoped_lock lock(mutex_);
    value->sequence = ++sequence_;
  }
  Published published{.value = std::move(value), .was_taken = true};
  hand_out(published, /*early=*/true);
  return published;
}

void Outlet::complete(Published& published) {
  {
    const std::scoped_lock lock(mutex_);
    if (!is_closed_) latest_ = published.value;
  }
  changed_.notify_all();
  hand_out(published, /*early=*/false);
}

ValuePtr Outlet::latest() const {
  const std::scoped_lock lock(mutex_);
  return latest_;
}

ValuePtr Outlet::wait_for_newer(std::uint64_t sequence, Clock::time_point until) const {
  std::unique_lock lock(mutex_);
  const auto is_over = [&] { return is_closed_ || (latest_ && latest_->sequence > sequence); };
  if (until == Clock::time_point::max()) {
    changed_.wait(lock, is_over);
  } else {
    (void)changed_.wait_until(lock, until, is_over);
  }
  return latest_ && latest_->sequence > sequence ? latest_ : nullptr;
}

void Outlet::close() {
  {
    const std::scoped_lock lock(mutex_);
    is_closed_ = true;
    latest_.reset();
  }
  changed_.notify_all();
}

bool Outlet::is_closed() const {
  const std::scoped_lock lock(mutex_);
  return is_closed_;
}

}  // namespace greenlane::runtime
