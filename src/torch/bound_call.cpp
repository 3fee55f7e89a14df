#include "torch/caller_settings.hpp"
#include "torch/tensor_lifetimes.hpp"

#include <greenlane/detail/core/process.hpp>
#include <greenlane/detail/torch/bound_call.hpp>

#include <utility>

namespace greenlane {
namespace {

c10::DeviceIndex index_of(const StreamBinding& binding) {
  return static_cast<c10::DeviceIndex>(binding.device().id().index);
}

}  // namespace

BoundCall::BoundCall(StreamBinding& binding, std::span<const at::Tensor> inputs)
    : context_(binding.device()),
      caller_(c10::cuda::getCurrentCUDAStream(index_of(binding))),
      call_(binding.enter(StreamView(caller_.stream()))),
      // A compiled engine's kernels take a handle. Its allocations and its fallback operators follow the current
      // stream.
      guard_(call_.crosses() ? c10::cuda::getStreamFromExternal(call_.stream().handle(), index_of(binding)) : caller_) {
  if (!call_.crosses()) return;
  if (!call_.is_captured()) while_others_capture_.emplace(cudaStreamCaptureModeRelaxed);
  call_.lane().value().keep_stream();
  detail::record_on(inputs, stream());
}

void BoundCall::finish(std::span<const at::Tensor> outputs) {
  if (call_.crosses()) detail::record_on(outputs, caller_);
  call_.finish();
}

namespace {

// A lane for a forked child's first thread, on which OpenMP may hang.
struct ForkedLane {
  Lane lane = Lane::create(Device::open("cpu"), {.name = "forked", .priority = {}});
};

// Returns the lane to run on; absent: the calling thread.
std::optional<Lane> lane_for(const StreamBinding& binding) {
  static detail::PerProcess<ForkedLane> forked;
  auto lane = binding.lane();
  if (!lane && detail::is_copy_of_parents_thread()) lane = forked.get().lane;
  return lane;
}

}  // namespace

void call_on_cpu(const StreamBinding& binding, const std::function<void()>& work) {
  const auto lane = lane_for(binding);
  if (!lane) {
    work();
    return;
  }
  const detail::CallerSettings settings(*lane);
  lane->run([&] {
    const detail::CallerSettings::Scope scope(settings);
    work();
  });
}

std::optional<LaneWork> submit_on_cpu(const StreamBinding& binding, std::function<void()> work) {
  const auto lane = lane_for(binding);
  if (!lane) {
    work();
    return std::nullopt;
  }
  return lane->submit([settings = detail::CallerSettings(*lane), work = std::move(work)] {
    const detail::CallerSettings::Scope scope(settings);
    work();
  });
}

}  // namespace greenlane
