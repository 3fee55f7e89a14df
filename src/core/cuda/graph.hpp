// CUDA graphs: captured from a stream and launched.
#pragma once

#include "core/cuda/kernel_libraries.hpp"
#include "core/cuda/primary_context.hpp"
#include "core/device_state.hpp"

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace greenlane::detail {

class CudaGraph final : public GraphBackend {
 public:
  // Begins a capture of the calling thread's work.
  // Throws: DriverError.
  CudaGraph(std::shared_ptr<PrimaryContext> primary, StreamView stream);
  ~CudaGraph() override;
  void finish() override;
  void launch(StreamView stream) override;
  [[nodiscard]] GraphShape shape() const override;
  [[nodiscard]] std::unique_ptr<GraphBackend> part(std::span<const int> nodes) const override;
  [[nodiscard]] std::unique_ptr<GraphBackend> moved(StreamView from, StreamView to, KernelCode* code) const override;
  [[nodiscard]] std::optional<std::string> kernel_name(int node) const override;

 private:
  // Takes over `graph`, also if this throws. No capture is begun.
  CudaGraph(std::shared_ptr<PrimaryContext> primary, CUgraph graph);
  CUresult end_capture() noexcept;
  void instantiate();
  [[nodiscard]] const std::vector<CUgraphNode>& list_nodes() const;

  std::shared_ptr<PrimaryContext> primary_;
  StreamView stream_ = StreamView::default_stream();
  bool capturing_ = false;
  std::optional<CUstreamCaptureMode> former_mode_;  // the thread's mode before the capture
  CUgraph graph_ = nullptr;                         // kept for shape(), part() and moved()
  mutable std::vector<CUgraphNode> nodes_;          // by number; empty: not listed yet
  std::shared_ptr<KernelLibraries> libraries_;      // of kernels of a moved graph; may be null
  CUgraphExec executable_ = nullptr;
};

}  // namespace greenlane::detail
