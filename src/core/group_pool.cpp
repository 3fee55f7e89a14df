#include "core/group_pool.hpp"

#include <greenlane/core/error.hpp>

#include <algorithm>
#include <numeric>

namespace greenlane::detail {
namespace {

const char* unit_name(DeviceId device) { return device.kind == DeviceKind::cuda ? "SMs" : "cores"; }

}  // namespace

GroupPool::GroupPool(DeviceId device, int whole_groups, int group_units, int remainder_units, std::string note)
    : device_(device),
      split_{.whole = whole_groups, .each = {group_units}, .remainder = {remainder_units}},
      note_(std::move(note)),
      groups_(static_cast<std::size_t>(whole_groups), Group{.units = group_units, .taken = false, .owner = {}}) {
  if (remainder_units > 0) groups_.push_back({.units = remainder_units, .taken = false, .owner = {}});
}

std::vector<std::vector<int>> GroupPool::take(std::span<const PartitionRequest> requests) {
  if (std::ranges::count_if(requests, [](const auto& request) { return request.units.is_rest(); }) > 1) {
    throw PartitionError({.what = "cannot divide " + to_string(device_),
                          .why = "more than one partition asks for `rest`",
                          .remedy = "give all but one of them a number of units"});
  }
  for (auto request = requests.begin(); request != requests.end(); ++request) {
    if (request->name.empty()) {
      throw PartitionError({.what = "cannot divide " + to_string(device_),
                            .why = "the name of a partition is empty",
                            .remedy = "name each, for messages and reports"});
    }
    const auto same = [&](const auto& other) { return other.name == request->name; };
    if (std::any_of(requests.begin(), request, same)) {
      throw PartitionError({.what = "cannot divide " + to_string(device_),
                            .why = "two partitions are named '" + request->name + "'",
                            .remedy = "give each a name of its own"});
    }
  }
  std::vector<Group> groups = groups_;  // committed at the end, so that a failure takes nothing
  std::vector<std::vector<int>> taken(requests.size());
  for (const bool rest_turn : {false, true}) {
    for (std::size_t i = 0; i < requests.size(); ++i) {
      if (requests[i].units.is_rest() != rest_turn) continue;
      taken[i] = choose(requests[i], groups);
      for (const int index : taken[i]) {
        auto& group = groups[static_cast<std::size_t>(index)];
        group.taken = true;
        group.owner = requests[i].name;
      }
    }
  }
  groups_ = std::move(groups);
  return taken;
}

std::vector<int> GroupPool::choose(const PartitionRequest& request, const std::vector<Group>& groups) const {
  std::vector<int> free;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    if (!groups[i].taken) free.push_back(static_cast<int>(i));
  }
  const bool odd_is_free = split_.remainder.count > 0 && !groups.back().taken;
  const auto whole_free = std::span(free).first(free.size() - (odd_is_free ? 1 : 0));
  const auto fewest = static_cast<std::size_t>(split_.fewest_of_partition());
  if (request.units.is_rest()) {
    if (free.empty()) refuse(request, groups);
    if (whole_free.size() < fewest) refuse_odd_group(request, groups);
    return free;
  }

  const int wanted = request.units.units().count;
  if (wanted <= 0) {
    throw PartitionError({.what = "cannot give " + std::to_string(wanted) + " units of " + to_string(device_) +
                                  " to '" + request.name + "'",
                          .why = "a partition has at least one unit",
                          .remedy = "ask for a positive number or for `rest`"});
  }
  int missing = wanted;
  std::vector<int> chosen;
  if (odd_is_free && whole_free.size() < fewest) refuse_odd_group(request, groups);
  const int whole_units = std::accumulate(whole_free.begin(), whole_free.end(), 0, [&](int sum, int index) {
    return sum + groups[static_cast<std::size_t>(index)].units;
  });
  if (odd_is_free && whole_units < wanted) missing -= groups.back().units;
  for (const int index : whole_free) {
    if (missing <= 0 && chosen.size() >= fewest) break;
    chosen.push_back(index);
    missing -= groups[static_cast<std::size_t>(index)].units;
  }
  if (odd_is_free && whole_units < wanted) chosen.push_back(free.back());
  if (missing > 0) refuse(request, groups);
  return chosen;
}

void GroupPool::refuse(const PartitionRequest& request, const std::vector<Group>& groups) const {
  GroupPool as_it_would_be = *this;
  as_it_would_be.groups_ = groups;
  throw PartitionError({.what = what_of(request),
                        .why = as_it_would_be.describe() + (note_.empty() ? "" : "; " + note_),
                        .remedy = "ask for no more than is free, or drop the lanes that hold units"});
}

void GroupPool::refuse_odd_group(const PartitionRequest& request, const std::vector<Group>& groups) const {
  GroupPool as_it_would_be = *this;
  as_it_would_be.groups_ = groups;
  const std::string units = std::string(" ") + unit_name(device_);
  throw PartitionError(
      {.what = what_of(request),
       .why = "only the odd group of " + std::to_string(split_.remainder.count) + units + " is left (" +
              as_it_would_be.describe() +
              "), and alone it is no partition: kernels with thread-block clusters fail there, cuBLAS's among them",
       .remedy = "ask for less elsewhere, so that a whole group of " + std::to_string(split_.each.count) + units +
                 " is left, or drop the lanes that hold units"});
}

std::string GroupPool::what_of(const PartitionRequest& request) const {
  const std::string amount =
      request.units.is_rest() ? "the rest" : std::to_string(request.units.units().count) + " " + unit_name(device_);
  return "cannot give " + amount + " of " + to_string(device_) + " to '" + request.name + "'";
}

void GroupPool::give_back(std::span<const int> groups) noexcept {
  for (const int index : groups) {
    auto& group = groups_[static_cast<std::size_t>(index)];
    group.taken = false;
    group.owner.clear();
  }
}

void GroupPool::require_fit(std::span<const PartitionRequest> requests) const {
  (void)GroupPool(device_, split_.whole, split_.each.count, split_.remainder.count, note_).take(requests);
}

int GroupPool::units(std::span<const int> groups) const noexcept {
  return std::accumulate(groups.begin(), groups.end(), 0,
                         [&](int sum, int index) { return sum + groups_[static_cast<std::size_t>(index)].units; });
}

int GroupPool::free_units() const noexcept {
  return std::accumulate(groups_.begin(), groups_.end(), 0,
                         [](int sum, const Group& group) { return sum + (group.taken ? 0 : group.units); });
}

std::string GroupPool::describe() const {
  std::vector<std::pair<std::string, int>> holders;  // in the order of their first group
  for (const auto& group : groups_) {
    if (!group.taken) continue;
    auto holder = std::ranges::find(holders, group.owner, &std::pair<std::string, int>::first);
    if (holder == holders.end()) holder = holders.insert(holders.end(), {group.owner, 0});
    holder->second += group.units;
  }
  std::string text;
  for (const auto& [owner, units] : holders) {
    text += (text.empty() ? "" : ", ") + ("'" + owner + "' holds " + std::to_string(units));
  }
  if (!text.empty()) text += "; ";
  const int total = split_.whole * split_.each.count + split_.remainder.count;
  return text + std::to_string(free_units()) + " of " + std::to_string(total) + " " + unit_name(device_) + " are free";
}

}  // namespace greenlane::detail
