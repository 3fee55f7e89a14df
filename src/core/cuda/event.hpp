// CUDA events, made once and used for ordering only.
#pragma once

#include "core/cuda/primary_context.hpp"
#include "core/device_state.hpp"

#include <memory>

namespace greenlane::detail {

class CudaEvent final : public EventBackend {
 public:
  // Throws DriverError.
  explicit CudaEvent(std::shared_ptr<PrimaryContext> primary);
  ~CudaEvent() override;
  void record(StreamView stream) override;
  void make_wait(StreamView stream) override;
  [[nodiscard]] bool is_done() override;

 private:
  std::shared_ptr<PrimaryContext> primary_;
  CUevent handle_ = nullptr;
};

}  // namespace greenlane::detail
