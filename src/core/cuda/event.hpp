// CUDA events, made once and recorded many times.
#pragma once

#include "core/cuda/primary_context.hpp"
#include "core/device_state.hpp"

#include <chrono>
#include <memory>

namespace greenlane::detail {

class CudaEvent final : public EventBackend {
 public:
  // Throws: DriverError.
  CudaEvent(std::shared_ptr<PrimaryContext> primary, unsigned int flags);
  ~CudaEvent() override;
  void record(StreamView stream) override;
  void make_wait(StreamView stream) override;
  [[nodiscard]] bool is_done() override;
  [[nodiscard]] std::chrono::nanoseconds since(const EventBackend& earlier) override;

 private:
  std::shared_ptr<PrimaryContext> primary_;
  CUevent handle_ = nullptr;
};

}  // namespace greenlane::detail
