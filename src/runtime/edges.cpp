#include "runtime/sink_parts.hpp"
#include "runtime/tensor_payload.hpp"
#include "runtime/tensor_source.hpp"
#include "torch/tensor_lifetimes.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/detail/core/access.hpp>
#include <greenlane/runtime/edges.hpp>

#include <ATen/core/grad_mode.h>
#include <c10/cuda/CUDAStream.h>

#include <algorithm>

namespace greenlane {

using runtime::Clock;

bool PublishedItem::is_copied() const { return !copied_ || copied_->is_done(); }
void PublishedItem::wait_until_copied() const {
  if (copied_) copied_->wait();
}

const std::string& PipelineSource::name() const noexcept { return source_->name(); }

PublishedItem PipelineSource::publish(const std::vector<at::Tensor>& item) {
  auto published = source_->publish(item);
  return detail::Access::make<PublishedItem>(published.sequence, published.was_taken, std::move(published.copied));
}

namespace {

SinkResult result_of(const runtime::Value& value, const std::vector<std::string>& sources) {
  SinkResult result{.outputs = {}, .sequence = value.sequence, .age = {}, .items = {}};
  const at::NoGradGuard no_gradients;
  for (const auto& tensor : static_cast<const runtime::TensorPayload&>(*value.payload).tensors()) {
    result.outputs.push_back(tensor.clone());
    // The engine's lane may use the memory again once the value is dropped.
    if (tensor.is_cuda()) detail::record_on({&tensor, 1}, c10::cuda::getCurrentCUDAStream(tensor.get_device()));
  }
  if (const auto oldest = value.items.oldest()) result.age = Clock::now() - *oldest;
  for (const auto& item : value.items.all())
    result.items.push_back({.source = sources[item.source], .sequence = item.sequence, .published = item.published});
  return result;
}

}  // namespace

const std::string& PipelineSink::name() const noexcept { return parts_->engine->name(); }

std::optional<SinkResult> PipelineSink::latest() {
  const auto value = parts_->outlet->latest();
  if (!value) return std::nullopt;
  last_ = value->sequence;
  return result_of(*value, parts_->sources);
}

std::optional<SinkResult> PipelineSink::wait(std::chrono::nanoseconds time) {
  parts_->origin.require_here("the sink of engine '" + name() + "'");
  const auto now = Clock::now();
  const auto until = time >= Clock::time_point::max() - now ? Clock::time_point::max() : now + time;
  constexpr auto kStep = std::chrono::milliseconds(50);  // between two looks at the engine
  auto step = now;
  do {
    step = std::min(until, Clock::now() + kStep);
    if (const auto value = parts_->outlet->wait_for_newer(last_, step)) {
      last_ = value->sequence;
      return result_of(*value, parts_->sources);
    }
    if (!parts_->outlet->is_closed()) parts_->engine->while_serving([] {});
  } while (step < until && !parts_->outlet->is_closed());
  if (parts_->outlet->is_closed()) {
    throw RequestError({.what = "engine '" + name() + "' gives no more results",
                        .why = "the pipeline is closed",
                        .remedy = "open it again"},
                       RequestError::Reason::closed);
  }
  return std::nullopt;
}

}  // namespace greenlane
