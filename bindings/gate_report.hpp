// torch.classes.greenlane.GateReport: the use of a device's gate.
#pragma once

#include <greenlane/core/gate.hpp>

#include <torch/custom_class.h>

namespace greenlane::bindings {

struct GateReportObject final : torch::CustomClassHolder {
  explicit GateReportObject(const GateReport& of_gate) : report(of_gate) {}
  GateReport report;
};

void register_gate_report(torch::Library& library);

}  // namespace greenlane::bindings
