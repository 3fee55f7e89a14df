#include "audit/traced.hpp"

#include "audit/attribute.hpp"
#include "text/kernel_name.hpp"

#include <algorithm>

namespace greenlane::audit {
namespace {

// Returns the name of an engine's lane in this context, or an empty name. The trace shows the kernels under that lane.
std::string lane_on(std::uint32_t context, const Scene& scene) {
  for (const auto& site : scene.sites) {
    if (site.lane && site.lane->context == context) return site.lane->name;
  }
  return "";
}

}  // namespace

std::vector<TracedKernel> traced(const ActivityLog::Contents& contents, const Scene& scene) {
  std::vector<std::string> names;
  names.reserve(contents.kernels.size());
  for (const auto& kernel : contents.kernels) names.push_back(text::demangled(kernel));
  std::vector<TracedKernel> kernels;
  kernels.reserve(contents.spans.size());
  for (const auto& [key, begin, end] : contents.spans) {
    const Activity activity{.kind = key.kind,
                            .site = key.site,
                            .device = key.device,
                            .context = key.context,
                            .stream = key.stream,
                            .in_graph = key.in_graph};
    const auto* site = scene.site(key.site);
    kernels.push_back({.kernel = names[key.kernel],
                       .engine = site ? site->engine : "",
                       .where = location_of(activity, scene),
                       .lane = lane_on(key.context, scene),
                       .is_stray = stray_cause(activity, scene).has_value(),
                       .begin = begin,
                       .end = end});
  }
  std::ranges::stable_sort(kernels, {}, &TracedKernel::begin);
  return kernels;
}

}  // namespace greenlane::audit
