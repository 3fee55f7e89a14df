// Which engine every kernel of this process is of, and which ran outside of its engine's partition.
#pragma once

#include <greenlane/audit/audit_report.hpp>

#include <cstddef>
#include <memory>

namespace greenlane::audit {

struct AuditOptions {
  // Keeps this many kernels for a trace.
  std::size_t trace = 0;
};

// From its making to stop(): CUPTI records what the GPU does, which makes everything slower, so nothing is timed
// meanwhile. One at a time in a process. Thread safety: none; the work that it watches may be of any threads.
class Audit {
 public:
  // Waits for the GPUs and begins. Throws AuditError: where there is no GPU, or no CUPTI that may be used, beside
  // another audit, and beside PyTorch's profiler, for CUPTI gives its records to one.
  explicit Audit(const AuditOptions& options = {});
  // Ends it, where stop() did not.
  ~Audit();
  Audit(const Audit&) = delete;
  Audit& operator=(const Audit&) = delete;

  // Waits for the GPUs, ends, and judges. Throws AuditError when called twice, and what PyTorch throws where a kernel
  // failed.
  [[nodiscard]] AuditReport stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace greenlane::audit
