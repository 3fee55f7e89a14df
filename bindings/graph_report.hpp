// torch.classes.greenlane.GraphReport and GraphInfo: the CUDA graphs of an engine or a module.
#pragma once

#include <greenlane/torch/graphs.hpp>

#include <torch/custom_class.h>

#include <optional>
#include <utility>

namespace greenlane::bindings {

struct GraphReportObject final : torch::CustomClassHolder {
  explicit GraphReportObject(GraphReport of_engine) : report(std::move(of_engine)) {}
  GraphReport report;
};
using GraphReportPtr = c10::intrusive_ptr<GraphReportObject>;

[[nodiscard]] std::optional<GraphReportPtr> as_object(std::optional<GraphReport> report);

void register_graph_report(torch::Library& library);

}  // namespace greenlane::bindings
