// The audit of whatever the process does. Bodies of the functions that torchbind.cpp registers.
#pragma once

#include <greenlane/audit/audit.hpp>
#include <greenlane/core/error.hpp>
#include <greenlane/detail/process.hpp>

#include <torch/custom_class.h>

#include <mutex>
#include <optional>
#include <string>
#include <tuple>

namespace greenlane::bindings {

// Begins when it is made, and ends when it is asked for its result, or dropped.
struct AuditObject final : torch::CustomClassHolder {
  detail::ForkSafeMutex mutex{};
  std::optional<audit::Audit> audit{std::in_place};
};
using AuditPtr = c10::intrusive_ptr<AuditObject>;

// What was found, as JSON and for people.
inline std::tuple<std::string, std::string> stop_audit(const AuditPtr& self) {
  const std::scoped_lock lock(self->mutex);
  if (!self->audit)
    throw AuditError({.what = "an audit cannot end", .why = "it has ended", .remedy = "begin another one"});
  const auto report = self->audit->stop();
  self->audit.reset();
  return {audit::audit_json(report), audit::audit_text(report)};
}

// Without a result: nobody waits for the GPU.
inline void drop_audit(const AuditPtr& self) {
  const std::scoped_lock lock(self->mutex);
  self->audit.reset();
}

}  // namespace greenlane::bindings
