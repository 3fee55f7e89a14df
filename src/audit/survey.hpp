// Which contexts and streams there are, by CUPTI's numbers.
#pragma once

#include "audit/call_sites.hpp"
#include "audit/recorder.hpp"
#include "audit/scene.hpp"

#include <greenlane/core/stream.hpp>

#include <span>

namespace greenlane::audit {

// Of greenlane's lanes. Asked at both ends of an audit, because lanes come and go.
void survey_lanes(Recorder& recorder, Scene& scene);
// Of a device's undivided context, and its default stream.
void survey_device(Recorder& recorder, int device, Scene& scene);
// Streams of PyTorch's pool.
void survey_pool(Recorder& recorder, std::span<const StreamView> streams, Scene& scene);
// What the records say of contexts that nobody else knows.
void add_contexts(std::span<const RecordedContext> contexts, Scene& scene);
// Where engines were bound and where work ran.
void note_use(std::span<const Activity> activities, Scene& scene);

}  // namespace greenlane::audit
