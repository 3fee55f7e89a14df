// torch.classes.greenlane.Audit, and its result: audits of the whole process.
#pragma once

#include <greenlane/audit/audit.hpp>
#include <greenlane/detail/core/process.hpp>

#include <torch/custom_class.h>

#include <mutex>
#include <optional>
#include <string>
#include <utility>

namespace greenlane::bindings {

// An audit that begins when it is made, and ends when stop() or drop() is called.
struct AuditObject final : torch::CustomClassHolder {
  detail::ForkSafeMutex mutex{};
  std::optional<audit::Audit> audit{std::in_place};
};

struct AuditResultObject final : torch::CustomClassHolder {
  AuditResultObject(std::string as_json, std::string as_text) : json(std::move(as_json)), text(std::move(as_text)) {}
  std::string json;
  std::string text;  // for people
};

void register_audit(torch::Library& library);

}  // namespace greenlane::bindings
