#include "audit/activity_log.hpp"

#include <utility>

namespace greenlane::audit {

void ActivityLog::add_launch(std::uint32_t correlation, std::uint32_t site) {
  const std::scoped_lock lock(mutex_);
  if (launches_.size() >= kMostLaunches) earlier_launches_ = std::exchange(launches_, {});
  launches_.insert_or_assign(correlation, site);
}

void ActivityLog::add(const RecordedActivity& activity) {
  const std::scoped_lock lock(mutex_);
  KernelSpan span{.key = {.kind = activity.kind,
                          .kernel = activity.kind == ActivityKind::kernel ? number_of(activity.kernel) : 0,
                          .device = activity.device,
                          .context = activity.context,
                          .stream = activity.stream,
                          .in_graph = activity.in_graph},
                  .begin = activity.begin,
                  .end = activity.end};
  if (const auto* site = site_of(activity.correlation)) {
    span.key.site = *site;
    count(span);
  } else {
    waiting_.push_back({.correlation = activity.correlation, .span = span});
  }
}

void ActivityLog::add_context(const RecordedContext& context) {
  const std::scoped_lock lock(mutex_);
  contexts_.push_back(context);
}

void ActivityLog::add_dropped(std::uint64_t count) {
  const std::scoped_lock lock(mutex_);
  dropped_ += count;
}

void ActivityLog::settle() {
  const std::scoped_lock lock(mutex_);
  // Gives the oldest work to nobody when too much is waiting: launches that no engine made have no record of a call
  // site.
  const std::size_t too_many = waiting_.size() > kMostWaiting ? waiting_.size() - kMostWaiting : 0;
  std::size_t index = 0;
  std::erase_if(waiting_, [&](Waiting& each) {
    const auto* site = site_of(each.correlation);
    const bool is_over = index++ < too_many;
    if (!site && !is_over) return false;
    each.span.key.site = site ? *site : 0;
    count(each.span);
    return true;
  });
}

ActivityLog::Contents ActivityLog::take() {
  settle();
  const std::scoped_lock lock(mutex_);
  for (const auto& each : waiting_) count(each.span);
  Contents contents{.activities = {},
                    .spans = std::move(spans_),
                    .kernels = std::vector<std::string>(numbers_.size()),
                    .contexts = std::move(contexts_),
                    .dropped = dropped_,
                    .spans_are_cut = spans_are_cut_};
  for (const auto& [name, number] : numbers_) contents.kernels[number] = name;
  for (const auto& [key, total] : totals_) {
    const bool is_kernel = key.kind == ActivityKind::kernel;
    contents.activities.push_back({.kind = key.kind,
                                   .kernel = is_kernel ? contents.kernels[key.kernel] : std::string(),
                                   .site = key.site,
                                   .device = key.device,
                                   .context = key.context,
                                   .stream = key.stream,
                                   .in_graph = key.in_graph,
                                   .count = total.count,
                                   .time = total.time});
  }
  launches_.clear();
  earlier_launches_.clear();
  numbers_.clear();
  totals_.clear();
  waiting_.clear();
  spans_.clear();
  contexts_.clear();
  dropped_ = 0;
  spans_are_cut_ = false;
  return contents;
}

std::uint32_t ActivityLog::number_of(std::string_view kernel) {
  const auto found = numbers_.find(kernel);
  if (found != numbers_.end()) return found->second;
  return numbers_.emplace(kernel, static_cast<std::uint32_t>(numbers_.size())).first->second;
}

const std::uint32_t* ActivityLog::site_of(std::uint32_t correlation) const {
  if (const auto found = launches_.find(correlation); found != launches_.end()) return &found->second;
  const auto earlier = earlier_launches_.find(correlation);
  return earlier == earlier_launches_.end() ? nullptr : &earlier->second;
}

void ActivityLog::count(const KernelSpan& span) {
  auto& total = totals_[span.key];
  ++total.count;
  total.time += span.end - span.begin;
  if (most_spans_ == 0 || span.key.kind != ActivityKind::kernel) return;
  if (spans_.size() < most_spans_) {
    spans_.push_back(span);
  } else {
    spans_are_cut_ = true;
  }
}

}  // namespace greenlane::audit
