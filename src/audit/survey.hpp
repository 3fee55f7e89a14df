// Finds contexts and streams by CUPTI's numbers.
#pragma once

#include "audit/call_sites.hpp"
#include "audit/recorder.hpp"
#include "audit/scene.hpp"

#include <greenlane/core/stream.hpp>

#include <span>

namespace greenlane::audit {

// Adds greenlane's lanes. Called at both ends of an audit, because lanes come and go.
void survey_lanes(Recorder& recorder, Scene& scene);
// Adds a device's undivided context and its default stream.
void survey_device(Recorder& recorder, int device, Scene& scene);
// Adds streams of PyTorch's pool.
void survey_pool(Recorder& recorder, std::span<const StreamView> streams, Scene& scene);
// Adds the recorded contexts; the records may be the only source that knows them.
void add_contexts(std::span<const RecordedContext> contexts, Scene& scene);
// Marks the contexts where engines were bound or work ran as used.
void note_use(std::span<const Activity> activities, Scene& scene);

}  // namespace greenlane::audit
