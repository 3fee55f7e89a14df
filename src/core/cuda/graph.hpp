// CUDA graphs: captured from a stream, and launched.
#pragma once

#include "core/cuda/primary_context.hpp"
#include "core/device_state.hpp"

#include <memory>

namespace greenlane::detail {

class CudaGraph final : public GraphBackend {
 public:
  // Begins to capture; what other threads do is their own affair. Throws DriverError.
  CudaGraph(std::shared_ptr<PrimaryContext> primary, StreamView stream);
  ~CudaGraph() override;
  void finish() override;
  void launch(StreamView stream) override;

 private:
  // Nothing where the capture went wrong.
  CUresult end_capture(CUgraph& graph) noexcept;

  std::shared_ptr<PrimaryContext> primary_;
  StreamView stream_;
  bool capturing_ = false;
  CUgraphExec executable_ = nullptr;
};

}  // namespace greenlane::detail
