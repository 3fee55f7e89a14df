#include "audit.hpp"

#include <greenlane/core/error.hpp>

#include <torch/library.h>

namespace greenlane::bindings {
namespace {

using AuditPtr = c10::intrusive_ptr<AuditObject>;
using ResultPtr = c10::intrusive_ptr<AuditResultObject>;

// Ends the audit; returns its result.
// Throws: AuditError if it has ended.
ResultPtr stop(const AuditPtr& self) {
  const std::scoped_lock lock(self->mutex);
  if (!self->audit)
    throw AuditError({.what = "an audit cannot end", .why = "it has ended", .remedy = "begin another one"});
  const auto report = self->audit->stop();
  self->audit.reset();
  return c10::make_intrusive<AuditResultObject>(audit::audit_json(report), audit::audit_text(report));
}

// Ends the audit without a result and without waiting for the GPU.
void drop(const AuditPtr& self) {
  const std::scoped_lock lock(self->mutex);
  self->audit.reset();
}

}  // namespace

void register_audit(torch::Library& library) {
  library.class_<AuditResultObject>("AuditResult")
      .def("json", [](const ResultPtr& self) { return self->json; })
      .def("text", [](const ResultPtr& self) { return self->text; });
  library.class_<AuditObject>("Audit").def(torch::init<>()).def("stop", stop).def("drop", drop);
}

}  // namespace greenlane::bindings
