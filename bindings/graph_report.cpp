#include "graph_report.hpp"

#include <torch/library.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <ratio>
#include <string>
#include <tuple>
#include <vector>

namespace greenlane::bindings {
namespace {

struct GraphInfoObject final : torch::CustomClassHolder {
  explicit GraphInfoObject(GraphInfo of_graph) : info(std::move(of_graph)) {}
  GraphInfo info;
};
using InfoPtr = c10::intrusive_ptr<GraphInfoObject>;

std::vector<InfoPtr> graphs(const GraphReportPtr& self) {
  std::vector<InfoPtr> all;
  for (const auto& info : self->report.graphs) all.push_back(c10::make_intrusive<GraphInfoObject>(info));
  return all;
}

// Returns the name, the time in microseconds and the number of kernels.
std::optional<std::tuple<std::string, double, int64_t>> long_kernel(const InfoPtr& self) {
  const auto& kernel = self->info.long_kernel;
  if (!kernel) return std::nullopt;
  return std::tuple(kernel->name, std::chrono::duration<double, std::micro>(kernel->time).count(),
                    int64_t{kernel->kernels});
}

}  // namespace

std::optional<GraphReportPtr> as_object(std::optional<GraphReport> report) {
  if (!report) return std::nullopt;
  return c10::make_intrusive<GraphReportObject>(*std::move(report));
}

void register_graph_report(torch::Library& library) {
  library.class_<GraphInfoObject>("GraphInfo")
      .def("units", [](const InfoPtr& self) -> int64_t { return self->info.units; })
      .def("kernel_units", [](const InfoPtr& self) -> std::optional<int64_t> { return self->info.kernel_units; })
      .def("replays", [](const InfoPtr& self) { return static_cast<int64_t>(self->info.replays); })
      .def("slices", [](const InfoPtr& self) -> int64_t { return self->info.slices; })
      .def("moved", [](const InfoPtr& self) { return self->info.moved; })
      .def("long_kernel", long_kernel);
  library.class_<GraphReportObject>("GraphReport")
      .def("graphs", graphs)
      .def("bytes", [](const GraphReportPtr& self) { return static_cast<int64_t>(self->report.bytes); })
      .def("obstacle", [](const GraphReportPtr& self) { return self->report.obstacle; })
      .def("move_obstacle", [](const GraphReportPtr& self) { return self->report.move_obstacle; });
}

}  // namespace greenlane::bindings
