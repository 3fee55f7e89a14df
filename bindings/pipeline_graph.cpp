#include "pipeline_graph.hpp"

#include "exchange.hpp"

#include <greenlane/detail/torch/resident_graph.hpp>

#include <torch/library.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace greenlane::bindings {
namespace {

PipelineGraphPtr capture(const std::string& device, const std::vector<at::Tensor>& inputs, const ExchangePtr& model,
                         bool views) {
  return c10::make_intrusive<PipelineGraphObject>(PipelineGraph::capture(
      Device::open(device), inputs, model_of(model), views ? GraphOutputs::views : GraphOutputs::copies));
}

// Calls `branch` once for each branch. Each call runs the next branch and gives the tensors of its result.
void branch_out(const std::string& device, const ExchangePtr& branch, int64_t count) {
  TORCH_CHECK_VALUE(count >= 0, "concurrently: ", count, " branches");
  const auto next = [model = model_of(branch)] { return model({}); };
  (void)concurrently(Device::open(device),
                     std::vector<std::function<std::vector<at::Tensor>()>>(static_cast<std::size_t>(count), next));
}

}  // namespace

void register_pipeline_graph(torch::Library& library) {
  library.class_<PipelineGraphObject>("PipelineGraph")
      .def("run",
           [](const PipelineGraphPtr& self, const std::vector<at::Tensor>& inputs) { return self->graph->run(inputs); })
      .def("bytes", [](const PipelineGraphPtr& self) { return static_cast<int64_t>(self->graph->bytes()); });
  library.def(
      "capture_pipeline(str device, Tensor[] inputs, __torch__.torch.classes.greenlane.Exchange model, bool views) -> "
      "__torch__.torch.classes.greenlane.PipelineGraph",
      capture);
  library.def("concurrently(str device, __torch__.torch.classes.greenlane.Exchange branch, int count) -> ()",
              branch_out);
  library.def("collects_writes() -> bool", [] { return collects_writes(); });
  library.def("note_write(Tensor tensor) -> ()", [](const at::Tensor& tensor) { note_write(tensor); });
}

}  // namespace greenlane::bindings
