#include "pipeline_edges.hpp"

#include "python_end.hpp"
#include "refusal.hpp"

#include <torch/library.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

namespace greenlane::bindings {
namespace {

// The names, sequence numbers and publication times of source items, in seconds of the steady clock.
using Stamps = std::tuple<std::vector<std::string>, std::vector<int64_t>, std::vector<double>>;
// Outputs, sequence number, age in seconds, and source items.
using Result = std::tuple<std::vector<at::Tensor>, int64_t, std::optional<double>, Stamps>;

Result values_of(SinkResult result) {
  using Seconds = std::chrono::duration<double>;
  Stamps stamps;
  for (const auto& item : result.items) {
    std::get<0>(stamps).push_back(item.source);
    std::get<1>(stamps).push_back(static_cast<int64_t>(item.sequence));
    std::get<2>(stamps).push_back(Seconds(item.published.time_since_epoch()).count());
  }
  return {std::move(result.outputs), static_cast<int64_t>(result.sequence),
          result.age ? std::optional(Seconds(*result.age).count()) : std::nullopt, std::move(stamps)};
}

std::tuple<std::optional<PublishedItemPtr>, Refusal> publish(const PipelineSourcePtr& self,
                                                             const std::vector<at::Tensor>& item) {
  const WayBack way_back;
  std::optional<PublishedItemPtr> published;
  auto refusal = refusal_in([&] { published = c10::make_intrusive<PublishedItemObject>(self->source.publish(item)); });
  return {std::move(published), std::move(refusal)};
}

std::optional<Result> latest(const PipelineSinkPtr& self) {
  const WayBack way_back;
  auto result = self->sink.latest();
  return result ? std::optional(values_of(std::move(*result))) : std::nullopt;
}

std::tuple<std::optional<Result>, Refusal> wait_for_result(const PipelineSinkPtr& self, double seconds) {
  const WayBack way_back;
  std::optional<Result> found;
  auto refusal = refusal_in([&] {
    const auto time = std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(seconds));
    if (auto result = self->sink.wait(time)) found = values_of(std::move(*result));
  });
  return {std::move(found), std::move(refusal)};
}

}  // namespace

void register_pipeline_edges(torch::Library& library) {
  library.class_<PublishedItemObject>("PublishedItem")
      .def("sequence", [](const PublishedItemPtr& self) { return static_cast<int64_t>(self->item.sequence()); })
      .def("was_taken", [](const PublishedItemPtr& self) { return self->item.was_taken(); })
      .def("is_copied",
           [](const PublishedItemPtr& self) {
             const WayBack way_back;
             return self->item.is_copied();
           })
      .def("wait_until_copied", [](const PublishedItemPtr& self) {
        const WayBack way_back;
        self->item.wait_until_copied();
      });
  library.class_<PipelineSourceObject>("PipelineSource")
      .def("name", [](const PipelineSourcePtr& self) { return self->source.name(); })
      .def("publish", publish);
  library.class_<PipelineSinkObject>("PipelineSink")
      .def("name", [](const PipelineSinkPtr& self) { return self->sink.name(); })
      .def("latest", latest)
      .def("wait", wait_for_result);
}

}  // namespace greenlane::bindings
