// Registers torch.classes.greenlane.* and torch.ops.greenlane.* with PyTorch. Each file beside this one has one class.
#include "audit.hpp"
#include "bindable.hpp"
#include "binding.hpp"
#include "callers_context.hpp"
#include "completions.hpp"
#include "device_info.hpp"
#include "engine.hpp"
#include "engine_options.hpp"
#include "exchange.hpp"
#include "gate_report.hpp"
#include "graph_report.hpp"
#include "lane.hpp"
#include "misses.hpp"
#include "module.hpp"
#include "pending.hpp"
#include "pipeline.hpp"
#include "pipeline_call.hpp"
#include "pipeline_edges.hpp"
#include "pipeline_graph.hpp"
#include "pipeline_run.hpp"
#include "planning.hpp"
#include "python_end.hpp"

#include <greenlane/core/binding.hpp>

#include <torch/library.h>

namespace greenlane::bindings {

// A class comes after the classes that its methods take and return.
TORCH_LIBRARY(greenlane, library) {
  register_python_end(library);
  register_callers_context(library);
  register_device_info(library);
  register_pending(library);
  register_lane(library);
  register_exchange(library);
  register_graph_report(library);
  register_gate_report(library);
  register_pipeline_graph(library);
  register_binding(library);
  register_bindable(library);
  register_engine_options(library);
  register_engine(library);
  register_audit(library);
  register_module(library);
  register_planning(library);
  register_completions(library);
  register_misses(library);
  register_pipeline_call(library);
  register_pipeline_run(library);
  register_pipeline_edges(library);
  register_pipeline(library);
  library.def("set_engine_stream_passthrough(bool on) -> ()", [](bool on) { set_engine_stream_passthrough(on); });
  library.def("get_engine_stream_passthrough() -> bool", [] { return engine_stream_passthrough(); });
}

}  // namespace greenlane::bindings
