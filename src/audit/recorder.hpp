// Records the GPU's work with CUPTI, behind an interface without CUPTI's types.
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
  // Records into the log from now on.
  // Lifetime: the log must live until stop().
  // Throws: AuditError; nothing is recorded then.
  virtual void start(ActivityLog& log) = 0;
  // Gives the log the remaining records of finished work. Never throws; warns of failures.
  virtual void stop() noexcept = 0;
  // Assigns the calling thread's work to this call site, until the matching pop().
  virtual void push(std::uint32_t site) noexcept = 0;
  virtual void pop() noexcept = 0;
  // Returns the number that records use for the context; absent where CUPTI does not know it.
  [[nodiscard]] virtual std::optional<std::uint32_t> number_of(CUctx_st* context) = 0;
  // Returns the stream's number. A null `context` stands for the one that the stream is in.
  [[nodiscard]] virtual std::optional<std::uint32_t> number_of(CUctx_st* context, StreamView stream) = 0;
};

// Returns the recorder of the process.
// Throws: AuditError where there is no CUPTI, or where greenlane was built without its headers.
[[nodiscard]] Recorder& recorder();

}  // namespace greenlane::audit
