#include "runtime/serving/fair_turns.hpp"

#include <algorithm>

namespace greenlane::runtime {

FairTurns::Engine FairTurns::add(const std::string& tenant, double weight, std::function<void()> wake) {
  const std::scoped_lock lock(mutex_);
  auto known = std::ranges::find(tenants_, tenant, &Tenant::name);
  if (known == tenants_.end()) known = tenants_.insert(known, {.name = tenant, .weight = weight});
  members_.push_back({.tenant = static_cast<std::size_t>(known - tenants_.begin()), .wake = std::move(wake)});
  return members_.size() - 1;
}

bool FairTurns::is_active(std::size_t tenant) const {
  if (holder_ && members_[*holder_].tenant == tenant) return true;
  return std::ranges::any_of(members_, [&](const auto& each) { return each.waits && each.tenant == tenant; });
}

void FairTurns::wait(Engine engine) {
  auto& member = members_[engine];
  if (member.waits) return;
  auto& used = tenants_[member.tenant].used;
  if (!is_active(member.tenant)) used = std::max(used, now_);
  member.waits = true;
}

bool FairTurns::take(Engine engine) {
  const std::scoped_lock lock(mutex_);
  if (members_[engine].has_left || holder_ == engine) return true;
  wait(engine);
  if (!holder_) (void)pass_on(engine);
  return holder_ == engine;
}

std::function<void()> FairTurns::pass_on(Engine from) {
  const auto comes_before = [&](const Member& one, const Member& other) {
    const auto [first, second] = std::pair(tenants_[one.tenant].used, tenants_[other.tenant].used);
    return first != second ? first < second : one.used < other.used;
  };
  holder_.reset();
  for (Engine i = 0; i < members_.size(); ++i) {
    if (members_[i].waits && (!holder_ || comes_before(members_[i], members_[*holder_]))) holder_ = i;
  }
  if (!holder_) return {};
  auto& next = members_[*holder_];
  next.waits = false;
  now_ = std::max(now_, tenants_[next.tenant].used);
  return *holder_ == from ? std::function<void()>() : next.wake;
}

void FairTurns::end(Engine engine, std::chrono::nanoseconds time, bool has_more) {
  std::function<void()> wake;
  {
    const std::scoped_lock lock(mutex_);
    auto& member = members_[engine];
    if (member.has_left || holder_ != engine) return;
    const auto seconds = std::chrono::duration<double>(time).count();
    auto& tenant = tenants_[member.tenant];
    tenant.used += seconds / tenant.weight;
    member.used += seconds;
    if (has_more) wait(engine);
    wake = pass_on(engine);
  }
  if (wake) wake();
}

void FairTurns::drop(Engine engine) {
  std::function<void()> wake;
  {
    const std::scoped_lock lock(mutex_);
    members_[engine].waits = false;
    if (holder_ == engine) wake = pass_on(engine);
  }
  if (wake) wake();
}

void FairTurns::leave(Engine engine) {
  {
    const std::scoped_lock lock(mutex_);
    members_[engine].has_left = true;
  }
  drop(engine);
}

}  // namespace greenlane::runtime
