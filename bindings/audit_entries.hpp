// Audits of the whole process: bodies of the functions that torchbind.cpp registers.
#pragma once

#include <greenlane/audit/audit.hpp>
#include <greenlane/core/error.hpp>
#include <greenlane/detail/core/process.hpp>

#include <torch/custom_class.h>

#include <mutex>
#include <optional>
#include <string>
#include <tuple>

namespace greenlane::bindings {

// An audit that begins when it is made, and ends when stop_audit() or drop_audit() is called.
struct AuditObject final : torch::CustomClassHolder {
  detail::ForkSafeMutex mutex{};
  std::optional<audit::Audit> audit{std::in_place};
};
using AuditPtr = c10::intrusive_ptr<AuditObject>;

// Ends the audit; returns its result as JSON and as text for people.
// Throws: AuditError if it has ended.
inline std::tuple<std::string, std::string> stop_audit(const AuditPtr& self) {
  const std::scoped_lock lock(self->mutex);
  if (!self->audit)
    throw AuditError({.what = "an audit cannot end", .why = "it has ended", .remedy = "begin another one"});
  const auto report = self->audit->stop();
  self->audit.reset();
  return {audit::audit_json(report), audit::audit_text(report)};
}

// Ends the audit without a result and without waiting for the GPU.
inline void drop_audit(const AuditPtr& self) {
  const std::scoped_lock lock(self->mutex);
  self->audit.reset();
}

}  // namespace greenlane::bindings
