#include "runtime/live_pipeline.hpp"
#include "runtime/metrics/metric_families.hpp"
#include "torch/tensor_lifetimes.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/core/hardware_queues.hpp>
#include <greenlane/detail/core/access.hpp>
#include <greenlane/detail/runtime/open_pipeline.hpp>
#include <greenlane/detail/runtime/plan_file.hpp>
#include <greenlane/runtime/pipeline.hpp>

#include <c10/cuda/CUDAStream.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <utility>

namespace greenlane {

using runtime::TensorWork;

bool PipelineRun::wait_for(std::chrono::nanoseconds time) const { return request_->wait_for(time); }
bool PipelineRun::is_done() const noexcept { return request_->has_ended(); }
std::chrono::nanoseconds PipelineRun::waited() const noexcept {
  return is_done() ? request_->waited() : std::chrono::nanoseconds(0);
}
std::chrono::nanoseconds PipelineRun::latency() const noexcept {
  return is_done() ? request_->latency() : std::chrono::nanoseconds(0);
}
std::exception_ptr PipelineRun::error() const { return request_->error(); }
bool PipelineRun::cancel() { return engine_->cancel(*request_); }
void PipelineRun::when_done(std::function<void()> listener) const { request_->when_ended(std::move(listener)); }

std::vector<at::Tensor> PipelineRun::outputs() {
  request_->wait();
  auto outputs = std::move(static_cast<TensorWork&>(request_->work()).outputs);
  // Their memory belongs to the lane's stream, which may use it again once they are dropped.
  for (const auto& output : outputs) {
    if (output.is_cuda()) detail::record_on({&output, 1}, c10::cuda::getCurrentCUDAStream(output.get_device()));
  }
  return outputs;
}

const std::string& PipelineEngine::name() const noexcept { return engine_->engine->name(); }

Lane PipelineEngine::lane() const {
  const std::scoped_lock lock(engine_->mutex);
  if (engine_->lane) return *engine_->lane;
  throw RequestError(
      {.what = "engine '" + name() + "' has no lane", .why = "the pipeline is closed", .remedy = "open it again"},
      RequestError::Reason::closed);
}

std::vector<at::Tensor> PipelineEngine::call(const std::vector<at::Tensor>& inputs) {
  return engine_->engine->call([&] { return engine_->workload().call(inputs); },
                               [&] { return !engine_->workload().fits(inputs); });
}

PipelineRun PipelineEngine::submit(const std::vector<at::Tensor>& inputs, const RequestOptions& options) {
  const auto arrival = runtime::Clock::now();
  if (options.deadline && options.deadline->count() <= 0) {
    throw ConfigError({.what = "the deadline of a request to engine '" + name() + "'",
                       .why = "it is " + std::to_string(options.deadline->count()) + " ns, and must be positive",
                       .remedy = "give the time from now, or leave it out"});
  }
  auto request = engine_->engine->submit_made([&] { return engine_->workload().prepare(inputs); },
                                              {.arrival = arrival,
                                               .deadline = options.deadline,
                                               .drop_if_late = options.drop_if_late,
                                               .priority = options.priority});
  return detail::Access::make<PipelineRun>(engine_->engine, std::move(request));
}

bool PipelineEngine::trigger() {
  const auto runs = engine_->runs;
  if (!runs) {
    throw EngineError({.what = "engine '" + name() + "' cannot be triggered",
                       .why = "it takes inputs, and the file has no `from` for them",
                       .remedy = "call it with its inputs, or give it `from`"});
  }
  const auto ran = std::make_shared<runtime::EdgeRuns::Ran>();
  const auto arrival = runtime::Clock::now();
  do {
    // A pipeline that is closed ends the wait, and the next line throws.
    while (!runs->wait_for_room(runtime::Clock::now() + std::chrono::milliseconds(50)))
      engine_->engine->while_serving([] {});
    engine_->engine->run_if_serving([runs, ran, arrival] { *ran = runs->run_if_room(arrival, runtime::Clock::now()); });
  } while (ran->how == runtime::EdgeRun::blocked);
  if (ran->error) std::rethrow_exception(ran->error);
  return ran->how == runtime::EdgeRun::done;
}

const std::vector<TensorSpec>& PipelineEngine::inputs() const noexcept { return engine_->inputs; }
const std::vector<TensorSpec>& PipelineEngine::outputs() const noexcept { return engine_->outputs; }

std::vector<std::string> PipelineEngine::call_spec() const { return engine_->about_call; }

Pipeline Pipeline::open(const std::filesystem::path& config, const PipelineOptions& options) {
  static const std::atomic<bool> never{false};
  return runtime::open_pipeline(config, options, {}, never);
}

Pipeline::~Pipeline() = default;

namespace {

// Returns the index of a name. `kind`: "engine" or "source".
std::size_t index_of(std::string_view name, const std::vector<std::string>& names, const std::string& pipeline,
                     const std::string& kind) {
  const auto found = std::ranges::find(names, name);
  if (found != names.end()) return static_cast<std::size_t>(found - names.begin());
  std::string known;
  for (const auto& each : names) known += (known.empty() ? "'" : ", '") + each + "'";
  throw ConfigError({.what = pipeline + " has no " + kind + " '" + std::string(name) + "'",
                     .why = known.empty() ? "it has no " + kind + "s" : "its " + kind + "s are " + known,
                     .remedy = known.empty() ? "add a table [" + kind + "." + std::string(name) + "] to the file"
                                             : "use one of these names"});
}

}  // namespace

PipelineEngine Pipeline::operator[](std::string_view engine) const {
  return detail::Access::make<PipelineEngine>(live_->engines()[index_of(engine, engines(), live_->name(), "engine")]);
}

PipelineSource Pipeline::source(std::string_view name) const {
  return detail::Access::make<PipelineSource>(live_->sources()[index_of(name, sources(), live_->name(), "source")]);
}

PipelineSink Pipeline::sink(std::string_view engine) const {
  return detail::Access::make<PipelineSink>(live_->sink(index_of(engine, engines(), live_->name(), "engine")));
}

std::vector<std::string> Pipeline::sources() const {
  std::vector<std::string> names;
  for (const auto& source : live_->sources()) names.push_back(source->name());
  return names;
}

std::vector<std::string> Pipeline::engines() const {
  std::vector<std::string> names;
  for (const auto& live : live_->engines()) names.push_back(live->engine->name());
  return names;
}

void Pipeline::start() { live_->start(); }
void Pipeline::stop() { live_->stop(); }
void Pipeline::reset() { live_->reset(); }
PipelineStats Pipeline::stats() const { return live_->stats(); }
std::string Pipeline::metrics_text() const { return runtime::metrics_text(live_->stats()); }
std::optional<std::string> Pipeline::metrics_address() const { return live_->metrics_address(); }
void Pipeline::close() { live_->close(); }
bool Pipeline::is_closed() const noexcept { return live_->is_closed(); }

namespace runtime {

Pipeline open_pipeline(const std::filesystem::path& file, const PipelineOptions& options, const ModuleLoader& modules,
                       const std::atomic<bool>& stop) {
  auto mode = options.mode.empty() ? std::optional(Mode::lanes) : mode_named(options.mode);
  if (!mode) {
    throw ConfigError({.what = "mode '" + options.mode + "'",
                       .why = "there is no such mode",
                       .remedy = "use lanes, gates, shared or priority"});
  }
  auto config = load_config(file);
  if (!options.plan.empty()) {
    const auto planned = apply_plan(config, options.plan);
    if (options.mode.empty()) mode = planned;
    if (options.plan_of_another_device) config.planned_for.reset();
  }
  constexpr int kCopies = 1;  // see copy_lane()
  if (config.device != "cpu") (void)request_hardware_queues(streams_of(config) + kCopies);
  auto live = std::make_shared<LivePipeline>("pipeline '" + file.filename().string() + "'", std::move(config), options,
                                             modules);
  if (*mode == Mode::lanes && options.plan.empty()) live->plan_open_lanes(stop);
  live->open(*mode, stop);
  return detail::Access::make<Pipeline>(std::move(live));
}

void recapture(const PipelineEngine& engine) {
  const auto live = detail::Access::engine(engine);
  live->engine->run_if_serving([live] { live->workload().recapture(); });
}

}  // namespace runtime
}  // namespace greenlane
