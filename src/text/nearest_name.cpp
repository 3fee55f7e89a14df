#include "text/nearest_name.hpp"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

namespace greenlane::text {
namespace {

constexpr std::size_t kMostEdits = 2;
constexpr std::size_t kShortestPrefix = 3;

// A prefix counts as nearly right: 'rate' is nearer to 'rate_hz' than to 'gates'.
std::size_t strangeness(std::string_view written, std::string_view known) {
  const bool is_prefix =
      written.size() >= kShortestPrefix && (known.starts_with(written) || written.starts_with(known));
  return is_prefix ? std::min<std::size_t>(1, edit_distance(written, known)) : edit_distance(written, known);
}

}  // namespace

std::size_t edit_distance(std::string_view one, std::string_view other) {
  // Three rows of the table of distances between beginnings: of the character before the last, the last and this one.
  std::vector<std::size_t> before(other.size() + 1);
  std::vector<std::size_t> last(before.size());
  std::vector<std::size_t> row(before.size());
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= one.size(); ++i) {
    before = std::exchange(last, std::exchange(row, std::move(before)));
    row[0] = i;
    for (std::size_t j = 1; j <= other.size(); ++j) {
      const std::size_t change = last[j - 1] + (one[i - 1] == other[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, change});
      if (i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1])
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
  }
  return row.back();
}

std::optional<std::string> nearest_name(std::string_view written, std::span<const std::string> known) {
  const auto nearest =
      std::ranges::min_element(known, {}, [&](const std::string& name) { return strangeness(written, name); });
  if (nearest == known.end()) return std::nullopt;
  const auto edits = strangeness(written, *nearest);
  const auto length = std::max(written.size(), nearest->size());
  if (edits > kMostEdits || 2 * edits >= length) return std::nullopt;
  return *nearest;
}

}  // namespace greenlane::text
