// The figures of a pipeline as Prometheus's metrics. The guide lists their names (docs/metrics.md).
#pragma once

#include <greenlane/runtime/stats.hpp>

#include <prometheus/metric_family.h>

#include <string>
#include <vector>

namespace greenlane::runtime {

[[nodiscard]] std::vector<prometheus::MetricFamily> metric_families(const PipelineStats& stats);

// Returns them in Prometheus's text format.
[[nodiscard]] std::string metrics_text(const PipelineStats& stats);

}  // namespace greenlane::runtime
