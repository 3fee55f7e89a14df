#include "runtime/pipeline_edges.hpp"

#include "runtime/edge_config.hpp"
#include "runtime/edge_examples.hpp"
#include "runtime/serving/served_engine.hpp"
#include "runtime/tensor_payload.hpp"

#include <algorithm>
#include <utility>

namespace greenlane::runtime {
namespace {

// Returns the edges of an engine, with their initial data.
std::vector<EdgeOptions> edges_of(const LoadedPipeline& pipeline, std::size_t engine) {
  std::vector<EdgeOptions> edges;
  for (const auto& edge : pipeline.config().engines[engine].edges) {
    auto& options = edges.emplace_back(EdgeOptions{
        .queue = edge.queue, .overflow = edge.overflow, .triggers = edge.triggers, .is_feedback = edge.is_feedback});
    if (edge.is_feedback)
      options.initial = std::make_shared<TensorPayload>(initial_of(pipeline, engine, edges.size() - 1));
  }
  return edges;
}

// Returns the device of the first engine that takes from this source.
Device device_for(const LoadedPipeline& pipeline, const std::string& source) {
  const auto& engines = pipeline.config().engines;
  const auto takes = [&](const EngineConfig& engine) {
    return std::ranges::find(engine.edges, source, &EdgeConfig::producer) != engine.edges.end();
  };
  const auto first = std::ranges::find_if(engines, takes);
  return first == engines.end() ? pipeline.device()
                                : pipeline.device_of(static_cast<std::size_t>(first - engines.begin()));
}

// Returns true if a consumer may enqueue its run while its producer's still works on the device: nobody else waits for
// the consumer's lane meanwhile, and the producer's time does not make the consumer look as if it hangs.
bool is_early(const LoadedPipeline& pipeline, std::size_t consumer, const EdgeConfig& edge, std::size_t producer) {
  const auto& engines = pipeline.config().engines;
  const auto on_gpu = [&](std::size_t engine) { return pipeline.device_of(engine).id().kind == DeviceKind::cuda; };
  return edge.triggers && on_gpu(consumer) && on_gpu(producer) &&
         std::ranges::count(engines, engines[consumer].lane, &EngineConfig::lane) == 1 &&
         engines[consumer].hang_after >= engines[producer].hang_after;
}

}  // namespace

PipelineEdges::PipelineEdges(const LoadedPipeline& pipeline, bool keeps_last) {
  const auto& config = pipeline.config();
  const std::vector engines(pipeline.engines().begin(), pipeline.engines().end());
  require_edges_fit(pipeline);
  for (std::size_t i = 0; i < config.sources.size(); ++i) {
    sources_.push_back(std::make_shared<TensorSource>(
        config.sources[i].name, i, device_for(pipeline, config.sources[i].name), item_of(pipeline, i),
        [config, engines, i](const std::vector<at::Tensor>& item) { require_item_fits(config, engines, i, item); }));
  }
  for (const auto& path : config.paths)
    paths_.push_back(std::make_shared<PathMeter>(find_source(config, path.from).value(), path.deadline));
  for (const auto& engine : engines) {
    outlets_.push_back(std::make_shared<Outlet>([weak = std::weak_ptr(engine)] {
      if (const auto here = weak.lock()) here->wake();
    }));
  }
  for (std::size_t i = 0; i < engines.size(); ++i) {
    const auto& of = config.engines[i];
    intakes_.push_back(of.edges.empty() ? nullptr : std::make_shared<Intake>(edges_of(pipeline, i)));
    if (intakes_[i]) attach(pipeline, i);
    if (!intakes_[i] && engines[i]->workload().takes_inputs()) {
      runs_.push_back(nullptr);
      continue;
    }
    EdgeRunOptions options{.feeds = {}, .max_age = of.max_age, .paths = {}, .keeps_last = keeps_last};
    for (const auto& input : of.from) options.feeds.push_back({.edge = input.edge, .output = input.output});
    for (std::size_t path = 0; path < paths_.size(); ++path) {
      if (config.paths[path].to == of.name) options.paths.push_back(paths_[path]);
    }
    const auto intake = intakes_[i] ? intakes_[i] : std::make_shared<Intake>(std::vector<EdgeOptions>());
    runs_.push_back(std::make_shared<EdgeRuns>(*engines[i], intake, outlets_[i], std::move(options)));
  }
}

PipelineEdges::~PipelineEdges() { close(); }

void PipelineEdges::attach(const LoadedPipeline& pipeline, std::size_t engine) {
  const auto& config = pipeline.config();
  // A program's source may outlive the pipeline.
  intakes_[engine]->on_change([weak = std::weak_ptr(pipeline.engines()[engine])] {
    if (const auto here = weak.lock()) here->wake();
  });
  intakes_[engine]->on_expected([weak = std::weak_ptr(pipeline.engines()[engine])] {
    if (const auto here = weak.lock()) here->expect_run();
  });
  const auto& edges = config.engines[engine].edges;
  for (std::size_t i = 0; i < edges.size(); ++i) {
    if (const auto producer = find_engine(config, edges[i].producer)) {
      outlets_[*producer]->attach(intakes_[engine], i, is_early(pipeline, engine, edges[i], *producer));
      continue;
    }
    sources_[find_source(config, edges[i].producer).value()]->outlet()->attach(intakes_[engine], i);
  }
}

void PipelineEdges::restore_initial() {
  const std::scoped_lock lock(mutex_);
  ++resets_;
  for (const auto& intake : intakes_) {
    if (intake) intake->reset(resets_);
  }
}

void PipelineEdges::close() {
  for (const auto& source : sources_) source->close();
  for (const auto& outlet : outlets_) outlet->close();
  for (const auto& intake : intakes_) {
    if (intake) intake->close();
  }
}

}  // namespace greenlane::runtime
