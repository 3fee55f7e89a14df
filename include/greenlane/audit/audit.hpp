// Audits: the engine that every kernel of this process belongs to, and the kernels outside their engine's partition.
#pragma once

#include <greenlane/audit/audit_report.hpp>

#include <cstddef>
#include <memory>

namespace greenlane::audit {

/// The choices for an audit.
struct AuditOptions {
  /// The number of kernels to keep for a trace.
  std::size_t trace = 0;
};

/// An audit, under way from its construction to stop(). One at a time in a process.
/// CUPTI records everything the GPU does, which slows all work down. Times of an audited run are therefore no
/// measurement.
/// Thread safety: none for its members; the audited work may come from any thread.
class Audit {
 public:
  /// Waits for the GPUs and begins.
  /// Throws: AuditError where there is no GPU, where CUPTI cannot be used, beside another audit, and beside PyTorch's
  /// profiler, because CUPTI supports one subscriber at a time.
  explicit Audit(const AuditOptions& options = {});
  /// Ends the audit if stop() was not called.
  ~Audit();
  Audit(const Audit&) = delete;
  Audit& operator=(const Audit&) = delete;

  /// Waits for the GPUs, ends the audit and judges its records.
  /// Throws: AuditError when called twice, and PyTorch's error where a kernel failed.
  [[nodiscard]] AuditReport stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace greenlane::audit
