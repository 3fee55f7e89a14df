#include "gate_report.hpp"

#include <greenlane/detail/core/gate.hpp>

#include <torch/library.h>

#include <chrono>
#include <cstdint>
#include <string>

namespace greenlane::bindings {
namespace {

using ReportPtr = c10::intrusive_ptr<GateReportObject>;
using Microseconds = std::chrono::duration<double, std::micro>;

}  // namespace

void register_gate_report(torch::Library& library) {
  library.class_<GateReportObject>("GateReport")
      .def("passes", [](const ReportPtr& self) { return static_cast<int64_t>(self->report.passes); })
      .def("beside", [](const ReportPtr& self) { return static_cast<int64_t>(self->report.beside); })
      .def("held", [](const ReportPtr& self) { return static_cast<int64_t>(self->report.held); })
      .def("held_us", [](const ReportPtr& self) { return Microseconds(self->report.held_time).count(); })
      .def("longest_held_us", [](const ReportPtr& self) { return Microseconds(self->report.longest_held).count(); })
      .def("limits_hit", [](const ReportPtr& self) { return static_cast<int64_t>(self->report.limits_hit); });
  library.def("gate_report(str device) -> __torch__.torch.classes.greenlane.GateReport", [](const std::string& device) {
    return c10::make_intrusive<GateReportObject>(Gate::of(Device::open(device))->report());
  });
}

}  // namespace greenlane::bindings
