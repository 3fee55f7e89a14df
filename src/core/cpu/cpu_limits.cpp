#include "core/cpu/cpu_limits.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace greenlane::detail {
namespace {

using std::filesystem::path;

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

bool lists(const std::string& options, const std::string& option) {
  return std::ranges::count(split(options, ','), option) > 0;
}

// A hierarchy of control groups that may limit CPU time.
struct Hierarchy {
  path mount_point;
  path mounted;  // the group at the mount point; in a container it may be the container's
  path group;    // of this process
  bool is_v2 = false;
};

// Returns this process's group. The file has lines "number:controllers:group", without controllers in version 2.
std::optional<path> group_in(const path& root, bool is_v2) {
  std::ifstream file(root / "proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const auto first = line.find(':');
    const auto second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const auto controllers = line.substr(first + 1, second - first - 1);
    if (is_v2 ? controllers.empty() : lists(controllers, "cpu")) return line.substr(second + 1);
  }
  return std::nullopt;
}

std::vector<Hierarchy> hierarchies(const path& root) {
  std::vector<Hierarchy> found;
  std::ifstream file(root / "proc/self/mountinfo");
  // "36 35 98:0 /mounted /mount/point rw,noatime shared:1 - cgroup2 cgroup rw,nsdelegate"
  for (std::string line; std::getline(file, line);) {
    const auto fields = split(line, ' ');
    const auto dash = std::ranges::find(fields, "-");
    if (fields.size() < 6 || fields.end() - dash < 4) continue;
    const bool is_v2 = dash[1] == "cgroup2";
    if (!is_v2 && (dash[1] != "cgroup" || !lists(dash[3], "cpu"))) continue;
    const auto group = group_in(root, is_v2);
    if (!group) continue;
    found.push_back(
        {.mount_point = root / path(fields[4]).relative_path(), .mounted = fields[3], .group = *group, .is_v2 = is_v2});
  }
  return found;
}

std::optional<double> quota_of_group(const path& folder, bool is_v2) {
  double quota = 0;
  double period = 0;
  if (is_v2) {
    std::ifstream file(folder / "cpu.max");  // "max 100000": no quota
    if (!(file >> quota >> period)) return std::nullopt;
  } else {
    std::ifstream quota_file(folder / "cpu.cfs_quota_us");  // -1: no quota
    std::ifstream period_file(folder / "cpu.cfs_period_us");
    if (!(quota_file >> quota) || !(period_file >> period)) return std::nullopt;
  }
  if (quota <= 0 || period <= 0) return std::nullopt;
  return quota / period;
}

}  // namespace

std::optional<double> cpu_quota(const path& root) {
  std::optional<double> least;
  for (const auto& hierarchy : hierarchies(root)) {
    // A group outside the mounted tree is visible at the mount point, if at all.
    auto inside = hierarchy.group.lexically_relative(hierarchy.mounted);
    if (inside.empty() || *inside.begin() == "..") inside = ".";
    for (auto folder = (hierarchy.mount_point / inside).lexically_normal();; folder = folder.parent_path()) {
      if (const auto quota = quota_of_group(folder, hierarchy.is_v2)) least = std::min(least.value_or(*quota), *quota);
      const auto above = folder.lexically_relative(hierarchy.mount_point);
      if (above.empty() || above == "." || *above.begin() == ".." || !folder.has_relative_path()) break;
    }
  }
  return least;
}

}  // namespace greenlane::detail
