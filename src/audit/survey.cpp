#include "audit/survey.hpp"

#include "core/cuda/contexts.hpp"
#include "core/stream_registry.hpp"

#include <greenlane/core/device.hpp>

#include <set>
#include <string>
#include <string_view>

namespace greenlane::audit {
namespace {

// The ending of the names that Lane::beside gives to lanes for graph capture.
constexpr std::string_view kForGraphs = " (graphs)";

}  // namespace

void survey_lanes(Recorder& recorder, Scene& scene) {
  detail::visit_streams([&](const detail::RegisteredStream& registered) {
    const auto& [stream, lane, is_closed] = registered;
    const auto context = detail::context_of(stream);
    if (!context) return;
    if (const auto number = recorder.number_of(context->context, stream))
      scene.streams[*number] = {.kind = StreamKind::lane, .lane = lane};
    const auto number = recorder.number_of(context->context);
    if (!number) return;
    auto& info = scene.contexts[*number];
    info.is_green = context->is_green;
    info.is_used = info.is_used || !is_closed;
    if (context->is_green) info.units = context->units.count;
    info.device = static_cast<std::uint32_t>(context->device);
    if (!context->is_green || lane.ends_with(kForGraphs)) return;
    const std::string quoted = "'" + lane + "'";
    if (info.partition.find(quoted) == std::string::npos)
      info.partition += (info.partition.empty() ? "" : ", ") + quoted;
  });
}

void survey_device(Recorder& recorder, int device, Scene& scene) {
  const auto context = detail::primary_context_of(device);
  if (!context) return;
  if (const auto number = recorder.number_of(*context)) {
    auto& info = scene.contexts[*number];
    info.device = static_cast<std::uint32_t>(device);
    info.units = Device::open(DeviceId{DeviceKind::cuda, device}).info().units.count;
  }
  if (const auto number = recorder.number_of(*context, StreamView::default_stream()))
    scene.streams[*number] = {.kind = StreamKind::default_stream};
}

void survey_pool(Recorder& recorder, std::span<const StreamView> streams, Scene& scene) {
  for (const auto stream : streams) {
    if (const auto number = recorder.number_of(nullptr, stream))
      scene.streams.try_emplace(*number, StreamInfo{.kind = StreamKind::pool});
  }
}

void add_contexts(std::span<const RecordedContext> contexts, Scene& scene) {
  for (const auto& recorded : contexts) {
    auto& info = scene.contexts[recorded.context];
    info.device = recorded.device;
    info.is_green = info.is_green || recorded.is_green;
    if (info.units == 0) info.units = recorded.units;
  }
}

void note_use(std::span<const Activity> activities, Scene& scene) {
  const auto note = [&](std::uint32_t context) {
    if (const auto found = scene.contexts.find(context); found != scene.contexts.end()) found->second.is_used = true;
  };
  for (const auto& activity : activities) note(activity.context);
  for (const auto& site : scene.sites) {
    if (site.lane && site.lane->context) note(*site.lane->context);
  }
}

}  // namespace greenlane::audit
