// What records the GPU's work: CUPTI, behind an interface without its types.
#pragma once

#include "audit/activity_log.hpp"

#include <greenlane/core/stream.hpp>

#include <cstdint>
#include <optional>

struct CUctx_st;  // CUcontext is a pointer to it

namespace greenlane::audit {

class Recorder {
 public:
  virtual ~Recorder() = default;
  // Records into the log from now on, which must live until stop(). Throws AuditError, and then nothing is recorded.
  virtual void start(ActivityLog& log) = 0;
  // Gives the log what is left of the work that is done. Never throws: it says what failed.
  virtual void stop() noexcept = 0;
  // What the calling thread enqueues from now on is of this call site, until the matching pop().
  virtual void push(std::uint32_t site) noexcept = 0;
  virtual void pop() noexcept = 0;
  // The number by which records name it; nothing where CUPTI does not know it.
  [[nodiscard]] virtual std::optional<std::uint32_t> number_of(CUctx_st* context) = 0;
  // `context` null: whatever it is in.
  [[nodiscard]] virtual std::optional<std::uint32_t> number_of(CUctx_st* context, StreamView stream) = 0;
};

// The process's one. Throws AuditError where there is no CUPTI, or greenlane was built without its headers.
[[nodiscard]] Recorder& recorder();

}  // namespace greenlane::audit
