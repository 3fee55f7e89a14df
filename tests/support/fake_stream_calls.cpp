// Streams, events, and the order between them.
#include "support/fake_driver_calls.hpp"

#include <algorithm>

namespace greenlane::fake {
namespace {

void join(Clock& into, const Clock& from) {
  for (const auto& [stream, sequence] : from) into[stream] = std::max(into[stream], sequence);
}

// Returns whether a call that may wait is forbidden. It is if another thread captures in the default mode and this
// thread has not changed its own mode. The capture is then broken.
bool breaks_a_capture(State& state) {
  const auto mode = state.capture_modes.find(std::this_thread::get_id());
  const bool is_global = mode == state.capture_modes.end() || mode->second == CU_STREAM_CAPTURE_MODE_GLOBAL;
  if (!state.others_capture || !is_global) return false;
  state.violate("a capture of another thread broken", CUDA_SUCCESS);
  return true;
}

// Returns the stream for a call that acts on it. A reserved handle means a stream of the current context, so there must
// be one.
Stream* usable(State& state, CUstream handle, const std::string& function) {
  if (is_reserved(handle) && state.current_device() < 0) {
    state.violate(function + " on a default stream without a context", CUDA_ERROR_INVALID_CONTEXT);
    return nullptr;
  }
  Stream* stream = state.find(handle, state.current_device());
  if (!stream) state.violate(function + " on an unknown stream", CUDA_ERROR_INVALID_HANDLE);
  return stream;
}

// Answers a call that merely asks about a stream. Such a call may ask about an unknown stream.
CUresult ask(const char* function, CUstream handle, auto answer) {
  return call(function, [&](State& s) {
    const Stream* stream = s.find(handle, std::max(s.current_device(), 0));
    if (!stream) return CUDA_ERROR_INVALID_HANDLE;
    return answer(s, *stream), CUDA_SUCCESS;
  });
}

}  // namespace

CUresult fake_cuStreamCreateWithPriority(CUstream* stream, unsigned int flags, int priority) {
  return call("cuStreamCreateWithPriority", [&](State& s) {
    if (s.current_device() < 0) return s.violate("a stream made without a context", CUDA_ERROR_INVALID_CONTEXT);
    if (flags != CU_STREAM_NON_BLOCKING) s.violate("a stream that waits for the default stream", CUDA_SUCCESS);
    *stream = s.add_stream({.device = s.current_device(), .priority = priority, .clock = {}});
    return CUDA_SUCCESS;
  });
}

CUresult fake_cuStreamDestroy(CUstream stream) {
  const auto destroy = [&](State& s) {
    const auto found = s.streams.find(stream);
    if (found == s.streams.end()) return s.violate("an unknown stream destroyed", CUDA_ERROR_INVALID_HANDLE);
    if (found->second.is_application) s.violate("a stream of the application destroyed", CUDA_SUCCESS);
    if (found->second.busy) s.violate("a stream destroyed whose units are still at work", CUDA_SUCCESS);
    s.streams.erase(found);
    s.freed_streams.push_back(stream);
    return CUDA_SUCCESS;
  };
  return call("cuStreamDestroy", destroy, Effect::release);
}

CUresult fake_cuStreamSynchronize(CUstream stream) {
  const auto wait = [&](State& s) {
    Stream* found = usable(s, stream, "cuStreamSynchronize");
    if (!found) return CUDA_ERROR_INVALID_HANDLE;
    if (breaks_a_capture(s)) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    if (found->capture_id != 0) return s.violate("a captured stream waited for", CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
    found->busy = false;
    return CUDA_SUCCESS;
  };
  return call("cuStreamSynchronize", wait, Effect::release);
}

CUresult fake_cuStreamIsCapturing(CUstream stream, CUstreamCaptureStatus* status) {
  return ask("cuStreamIsCapturing", stream, [&](State&, const Stream& found) { *status = found.capture; });
}

CUresult fake_cuStreamGetDevice(CUstream stream, CUdevice* device) {
  const auto tell = [&](State& s, const Stream& found) {
    // Was measured: the capture also becomes invalid.
    if (found.capture != CU_STREAM_CAPTURE_STATUS_NONE)
      s.violate("a stream asked for its device while it is captured", CUDA_SUCCESS);
    *device = found.device;
  };
  return ask("cuStreamGetDevice", stream, tell);
}

CUresult fake_cuStreamGetCtx(CUstream stream, CUcontext* context) {
  return call("cuStreamGetCtx", [&](State& s) {
    if (!s.config.stream_get_ctx) return CUDA_ERROR_NOT_SUPPORTED;
    const Stream* found = s.find(stream, std::max(s.current_device(), 0));
    if (!found) return CUDA_ERROR_INVALID_HANDLE;
    return *context = context_of(found->device), CUDA_SUCCESS;
  });
}

CUresult fake_cuEventCreate(CUevent* event, unsigned int flags) {
  return call("cuEventCreate", [&](State& s) {
    if (s.current_device() < 0) return s.violate("an event made without a context", CUDA_ERROR_INVALID_CONTEXT);
    if (flags != CU_EVENT_DISABLE_TIMING && flags != CU_EVENT_DEFAULT)
      s.violate("an event with other flags", CUDA_SUCCESS);
    *event = s.new_handle<CUevent>();
    s.events[*event] = {
        .device = s.current_device(), .is_timed = flags == CU_EVENT_DEFAULT, .recorded = false, .clock = {}};
    return CUDA_SUCCESS;
  });
}

CUresult fake_cuEventRecord(CUevent event, CUstream stream) {
  return call("cuEventRecord", [&](State& s) {
    const Stream* found = usable(s, stream, "cuEventRecord");
    const auto entry = s.events.find(event);
    if (!found) return CUDA_ERROR_INVALID_HANDLE;
    if (entry == s.events.end()) return s.violate("an unknown event recorded", CUDA_ERROR_INVALID_HANDLE);
    if (entry->second.device != found->device) {
      return s.violate("an event recorded on a stream of another device", CUDA_ERROR_INVALID_HANDLE);
    }
    entry->second.recorded = true;
    entry->second.time = s.time_launched;
    entry->second.clock = found->clock;
    entry->second.capture_id = found->capture_id;
    entry->second.stream = stream;
    entry->second.launches = s.launches.size();
    s.operations.push_back({.kind = Operation::Kind::record, .event = event, .stream = stream});
    return CUDA_SUCCESS;
  });
}

CUresult fake_cuStreamWaitEvent(CUstream stream, CUevent event, unsigned int flags) {
  return call("cuStreamWaitEvent", [&](State& s) {
    Stream* found = usable(s, stream, "cuStreamWaitEvent");
    const auto entry = s.events.find(event);
    if (!found) return CUDA_ERROR_INVALID_HANDLE;
    if (entry == s.events.end()) return s.violate("an unknown event waited for", CUDA_ERROR_INVALID_HANDLE);
    if (!entry->second.recorded) s.violate("a wait for an event that was never recorded", CUDA_SUCCESS);
    if (flags != CU_EVENT_WAIT_DEFAULT) s.violate("a wait with flags", CUDA_SUCCESS);
    if (const auto id = entry->second.capture_id; id != 0 || found->capture_id != 0) {
      if (found->capture_id != 0 && id != found->capture_id)
        return s.violate("a captured stream that waits for what is outside", CUDA_ERROR_STREAM_CAPTURE_ISOLATION);
      if (found->capture_id == 0) {
        found->capture = CU_STREAM_CAPTURE_STATUS_ACTIVE;
        found->capture_id = id;
        found->joined = false;
      } else if (s.captures.at(id).origin == stream) {
        if (Stream* joined = s.find(entry->second.stream, 0)) joined->joined = true;
      }
      return CUDA_SUCCESS;
    }
    join(found->clock, entry->second.clock);
    s.operations.push_back({.kind = Operation::Kind::wait, .event = event, .stream = stream});
    return CUDA_SUCCESS;
  });
}

CUresult fake_cuEventQuery(CUevent event) {
  return call("cuEventQuery", [&](State& s) {
    const auto entry = s.events.find(event);
    if (entry == s.events.end()) return s.violate("an unknown event asked", CUDA_ERROR_INVALID_HANDLE);
    if (breaks_a_capture(s)) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    const auto launches = entry->second.launches;
    return s.events_are_done || (launches > 0 && launches <= s.launches_done) ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
  });
}

// Never fails, because it only changes a variable of the thread.
CUresult fake_cuThreadExchangeStreamCaptureMode(CUstreamCaptureMode* mode) {
  State* state = in_force.load(std::memory_order_acquire);
  if (!state) return CUDA_ERROR_DEINITIALIZED;
  const std::scoped_lock lock(state->mutex);
  if (in_destructor)
    return state->violate("the mode of captures changed in the destructor of a user object", CUDA_ERROR_NOT_PERMITTED);
  auto& own = state->capture_modes.try_emplace(std::this_thread::get_id(), CU_STREAM_CAPTURE_MODE_GLOBAL).first->second;
  return std::swap(own, *mode), CUDA_SUCCESS;
}

CUresult fake_cuEventElapsedTime(float* milliseconds, CUevent begin, CUevent end) {
  return call("cuEventElapsedTime", [&](State& s) {
    const auto first = s.events.find(begin);
    const auto second = s.events.find(end);
    if (first == s.events.end() || second == s.events.end())
      return s.violate("the time of an unknown event", CUDA_ERROR_INVALID_HANDLE);
    for (const auto& event : {first->second, second->second}) {
      if (!event.is_timed || !event.recorded)
        return s.violate("the time of an event that took none", CUDA_ERROR_INVALID_HANDLE);
    }
    *milliseconds = static_cast<float>((second->second.time - first->second.time).count()) / 1000;
    return CUDA_SUCCESS;
  });
}

CUresult fake_cuEventDestroy(CUevent event) {
  const auto destroy = [&](State& s) {
    if (s.events.erase(event) == 0) return s.violate("an unknown event destroyed", CUDA_ERROR_INVALID_HANDLE);
    return CUDA_SUCCESS;
  };
  return call("cuEventDestroy", destroy, Effect::release);
}

}  // namespace greenlane::fake
