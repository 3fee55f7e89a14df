#include "core/graphs/callers_graph.hpp"
#include "core/graphs/capture_scope.hpp"
#include "torch/graphs/captured_call.hpp"
#include "torch/tensor_lifetimes.hpp"
#include "torch/writes.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/core/log.hpp>
#include <greenlane/detail/core/current_context.hpp>
#include <greenlane/detail/core/process.hpp>
#include <greenlane/torch/pipeline_graph.hpp>

#include <c10/core/Event.h>
#include <c10/cuda/CUDAGraphsC10Utils.h>
#include <c10/cuda/CUDAGuard.h>

#include <exception>
#include <mutex>
#include <utility>

namespace greenlane {
namespace {

c10::DeviceIndex index_of(const Device& device) { return static_cast<c10::DeviceIndex>(device.id().index); }

void require_gpu(const Device& device) {
  if (device.id().kind == DeviceKind::cuda) return;
  throw EngineError({.what = "a pipeline cannot be captured on " + to_string(device.id()),
                     .why = "only GPUs have graphs",
                     .remedy = "call the engines one by one"});
}

[[noreturn]] void refuse(const std::string& why) {
  throw StreamError({.what = "the work could not be captured in a graph",
                     .why = why,
                     .remedy = "call the function without gl.capture"});
}

// Runs the work once, and restores the state that it changed.
detail::CallEffects rehearsed(const Device& device, const std::vector<at::Tensor>& inputs,
                              const PipelineGraph::Work& work) {
  const detail::KeptGenerator generator(at::Device(at::kCUDA, index_of(device)));
  const detail::WriteScope writes(detail::WriteScope::Copies::kept);
  (void)detail::rehearse(work, inputs);
  writes.put_back();
  generator.put_back();
  return detail::effects_of(inputs, writes.tensors());
}

// Returns a lane for one branch. PyTorch's pool is not used, because its streams are shared: work that others enqueue
// there would be captured as well. A graph that is being captured on the caller's stream keeps the lane.
Lane branch_lane(const Device& device, StreamView caller) {
  auto lane = Lane::create(device, {.name = "branch", .priority = {}});
  lane.keep_stream();
  detail::CaptureScope::note(lane);
  detail::keep_in_callers_graph(caller, lane);
  return lane;
}

// Makes a stream wait for a branch at the end of a scope, also after an exception: the branch's work may use memory
// that the caller frees now.
struct Join {
  c10::cuda::CUDAStream from;
  c10::cuda::CUDAStream to;
  ~Join() {
    try {
      c10::Event done(c10::DeviceType::CUDA);
      done.record(from);
      done.block(to);
    } catch (const std::exception& error) {
      // In a capture that failed nothing can be joined, and the branch's own error is on its way to the caller.
      if (std::uncaught_exceptions() == 0) warn(std::string("a branch could not be joined: ") + error.what());
    }
  }
};

}  // namespace

struct PipelineGraph::Impl {
  Impl(const Device& on, const std::vector<at::Tensor>& inputs, const Work& work, GraphOutputs outputs_,
       std::vector<std::size_t> written_inputs)
      : device(on),
        outputs(outputs_),
        written(std::move(written_inputs)),
        lane(Lane::create(on, {.name = "pipeline graph", .priority = {}})),
        pool(std::make_shared<detail::GraphPool>(index_of(on))),
        call(detail::CaptureTurn::take(), lane, pool, detail::make_static(inputs, index_of(on)), work, std::nullopt) {}
  // Waits for the last run, because others may use the graph's memory and its lanes' units afterwards.
  ~Impl() {
    try {
      const c10::cuda::CUDAStreamCaptureModeGuard while_others_capture(cudaStreamCaptureModeRelaxed);
      if (has_run) last.synchronize();
    } catch (const std::exception& error) {
      warn(std::string("a pipeline's graph could not be waited for: ") + error.what());
    }
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  Device device;
  GraphOutputs outputs;
  std::vector<std::size_t> written;  // the inputs that the work writes to
  detail::ForkSafeMutex mutex;
  Lane lane;  // the lane of the capture
  std::shared_ptr<detail::GraphPool> pool;
  detail::CapturedCall call;
  c10::Event last{c10::DeviceType::CUDA};  // recorded after the last run
  bool has_run = false;
};

PipelineGraph::PipelineGraph(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PipelineGraph::~PipelineGraph() = default;

std::shared_ptr<PipelineGraph> PipelineGraph::capture(const Device& device, const std::vector<at::Tensor>& inputs,
                                                      const Work& work, GraphOutputs outputs) {
  require_gpu(device);
  const CurrentContext context(device);
  const c10::cuda::CUDAGuard guard(index_of(device));
  const c10::cuda::CUDAStreamCaptureModeGuard while_others_capture(cudaStreamCaptureModeRelaxed);
  if (const auto why = detail::graph_memory_obstacle(); !why.empty()) refuse(why);
  const auto effects = rehearsed(device, inputs, work);
  if (const auto why = detail::aliasing_obstacle(inputs, effects); !why.empty()) refuse(why);
  auto impl = std::make_unique<Impl>(device, inputs, work, outputs, effects.written);
  impl->lane.keep_stream();
  // Waits for work on former lanes, which is no part of the graph, and for the copies of the inputs on this stream.
  c10::cuda::device_synchronize();
  return std::shared_ptr<PipelineGraph>(new PipelineGraph(std::move(impl)));
}

std::vector<at::Tensor> PipelineGraph::run(const std::vector<at::Tensor>& inputs) {
  const auto& fixed = impl_->call.inputs();
  for (std::size_t i = 0; i < std::max(inputs.size(), fixed.size()); ++i) {
    if (inputs.size() == fixed.size() && inputs[i].defined() && inputs[i].sizes() == fixed[i].sizes() &&
        inputs[i].scalar_type() == fixed[i].scalar_type())
      continue;
    throw EngineError({.what = "the inputs do not fit the pipeline's graph",
                       .why = inputs.size() == fixed.size()
                                  ? "input " + std::to_string(i) + " has another shape or dtype than at capture"
                                  : std::to_string(inputs.size()) + " were given, and it was captured with " +
                                        std::to_string(fixed.size()),
                       .remedy = "pass such inputs, or capture it anew"});
  }
  if (const auto why = detail::aliasing_obstacle(inputs, {.state = {}, .written = impl_->written}); !why.empty())
    throw EngineError(
        {.what = "the inputs do not fit the pipeline's graph", .why = why, .remedy = "pass a copy of one"});
  if (!impl_->call.graph().is_valid())
    throw EngineError({.what = "the pipeline's graph is out of date",
                       .why = "a Torch-TensorRT engine inside was called with another shape, or set otherwise",
                       .remedy = "capture the pipeline again, and do not call that engine in between"});
  const CurrentContext context(impl_->device);
  const c10::cuda::CUDAGuard guard(index_of(impl_->device));
  const auto stream = c10::cuda::getCurrentCUDAStream(index_of(impl_->device));
  if (c10::cuda::currentStreamCaptureStatusMayInitCtx() != c10::cuda::CaptureStatus::None)
    throw StreamError({.what = "a pipeline's graph cannot be launched while another graph is being captured",
                       .why = "its memory, and the lanes in it, belong to one launch at a time",
                       .remedy = "call the function itself in that capture, or launch one graph after the other"});
  const std::scoped_lock lock(impl_->mutex);
  if (impl_->has_run) impl_->last.block(stream);  // all runs use the same memory
  detail::copy_into(fixed, inputs);
  impl_->call.draw({});
  impl_->call.replay(StreamView(stream.stream()));
  impl_->call.write_back(inputs, impl_->written);
  auto outputs = impl_->call.results(inputs, impl_->outputs == GraphOutputs::copies);
  impl_->last.record(stream);
  impl_->has_run = true;
  return outputs;
}

std::uint64_t PipelineGraph::bytes() const {
  std::uint64_t total = impl_->pool->bytes();
  for (const auto& input : impl_->call.inputs()) total += input.nbytes();
  return total;
}

std::vector<std::vector<at::Tensor>> concurrently(
    const Device& device, const std::vector<std::function<std::vector<at::Tensor>()>>& branches) {
  std::vector<std::vector<at::Tensor>> results;
  results.reserve(branches.size());
  if (device.id().kind == DeviceKind::cpu) {
    for (const auto& branch : branches) results.push_back(branch());
    return results;
  }
  const CurrentContext context(device);
  const auto index = index_of(device);
  const auto caller = c10::cuda::getCurrentCUDAStream(index);
  // All lanes are held until the end, because a lane that is gone gives its stream to the next one.
  std::vector<Lane> lanes;
  for (std::size_t i = 0; i < branches.size(); ++i) lanes.push_back(branch_lane(device, StreamView(caller.stream())));
  c10::Event fork(c10::DeviceType::CUDA);
  fork.record(caller);
  for (std::size_t i = 0; i < branches.size(); ++i) {
    const auto stream = c10::cuda::getStreamFromExternal(lanes[i].stream().handle(), index);
    fork.block(stream);
    const Join join{.from = stream, .to = caller};
    const c10::cuda::CUDAStreamGuard guard(stream);
    results.push_back(branches[i]());
    detail::record_on(results.back(), caller);
  }
  return results;
}

}  // namespace greenlane
