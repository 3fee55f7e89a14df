#include "audit/attribute.hpp"

#include "text/kernel_name.hpp"

#include <greenlane/core/device.hpp>

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

namespace greenlane::audit {
namespace {

// Returns why work on the activity's stream is outside of the engine's partition.
StrayCause cause_of_stream(const Activity& activity, const Scene& scene) {
  const auto stream = scene.streams.find(activity.stream);
  if (stream == scene.streams.end()) return StrayCause::side_stream;
  switch (stream->second.kind) {
    case StreamKind::lane:
      return StrayCause::other_lane;
    case StreamKind::default_stream:
      return StrayCause::default_stream;
    case StreamKind::pool:
      return StrayCause::pool_stream;
  }
  return StrayCause::side_stream;
}

// Returns true where the context is known and is not green. CUPTI says nothing of contexts that were made before it
// began, so an unknown context is most likely somebody else's green one.
bool is_undivided(const Activity& activity, const Scene& scene) {
  const auto* context = scene.context(activity.context);
  return context && !context->is_green;
}

std::string in_words(int units) {
  if (units == 0) return "";
  return " (" + units_text(DeviceKind::cuda, {units}) + ")";
}

// Rows that differ only in their numbers are merged.
using KernelRows = std::map<std::tuple<std::string, std::string, std::optional<StrayCause>>, AuditedKernel>;

void add(KernelRows& rows, const Activity& activity, const Scene& scene, std::optional<StrayCause> cause) {
  auto where = location_of(activity, scene);
  auto name = text::demangled(activity.kernel);
  auto& row = rows[{name, where, cause}];
  row.kernel = std::move(name);
  row.where = std::move(where);
  row.cause = cause;
  row.count += activity.count;
  row.time += activity.time;
}

// Sorts strays first, then by time, the longest first.
std::vector<AuditedKernel> sorted(KernelRows rows) {
  std::vector<AuditedKernel> list;
  list.reserve(rows.size());
  for (auto& [key, row] : rows) list.push_back(std::move(row));
  std::ranges::stable_sort(list, [](const AuditedKernel& a, const AuditedKernel& b) {
    if (a.cause.has_value() != b.cause.has_value()) return a.cause.has_value();
    return a.time > b.time;
  });
  return list;
}

// One row for each engine and lane. Call sites of one engine on several streams of a lane share a row.
struct EngineRows {
  std::vector<AuditedEngine> engines;
  std::vector<KernelRows> strays;
  std::vector<std::size_t> of_site;

  explicit EngineRows(const Scene& scene) {
    for (const auto& site : scene.sites) {
      const auto lane = site.lane ? std::optional(site.lane->name) : std::nullopt;
      auto found = std::ranges::find_if(
          engines, [&](const AuditedEngine& row) { return row.name == site.engine && row.lane == lane; });
      if (found == engines.end()) {
        AuditedEngine row;
        row.name = site.engine;
        row.lane = lane;
        row.units = site.lane ? site.lane->units : 0;
        found = engines.insert(engines.end(), std::move(row));
      }
      found->calls += site.calls;
      if (site.lane && !site.lane->context) found->is_judged = false;
      of_site.push_back(static_cast<std::size_t>(found - engines.begin()));
    }
    strays.resize(engines.size());
  }
};

}  // namespace

std::optional<StrayCause> stray_cause(const Activity& activity, const Scene& scene) {
  if (activity.kind != ActivityKind::kernel) return std::nullopt;  // copies take no SMs
  const auto* site = scene.site(activity.site);
  if (!site || !site->lane) {
    if (!is_undivided(activity, scene) || !scene.has_partitions(activity.device)) return std::nullopt;
    return site ? StrayCause::not_bound : StrayCause::no_engine;
  }
  if (!site->lane->context || activity.context == *site->lane->context) return std::nullopt;
  // A node runs where it was captured, whatever stream it was launched on.
  return activity.in_graph ? StrayCause::captured_elsewhere : cause_of_stream(activity, scene);
}

std::string location_of(const Activity& activity, const Scene& scene) {
  const auto* context = scene.context(activity.context);
  if (!context) return "a context of cuda:" + std::to_string(activity.device) + " that is none of greenlane's";
  if (!context->is_green) return "all of cuda:" + std::to_string(activity.device) + in_words(context->units);
  if (context->partition.empty()) return "a partition that is none of greenlane's" + in_words(context->units);
  return "partition " + context->partition + in_words(context->units);
}

AuditReport attribute(std::span<const Activity> activities, const Scene& scene) {
  EngineRows rows(scene);
  KernelRows others;
  for (const auto& activity : activities) {
    const auto cause = stray_cause(activity, scene);
    if (!scene.site(activity.site)) {
      if (activity.kind == ActivityKind::kernel) add(others, activity, scene, cause);
      continue;
    }
    const auto row = rows.of_site[activity.site - 1];
    auto& engine = rows.engines[row];
    if (activity.kind == ActivityKind::copy) {
      engine.copies += activity.count;
      continue;
    }
    engine.kernels += activity.count;
    engine.time += activity.time;
    if (cause) add(rows.strays[row], activity, scene, cause);
  }
  AuditReport report;
  report.engines = std::move(rows.engines);
  for (std::size_t i = 0; i < report.engines.size(); ++i) report.engines[i].strays = sorted(std::move(rows.strays[i]));
  report.others = sorted(std::move(others));
  return report;
}

}  // namespace greenlane::audit
