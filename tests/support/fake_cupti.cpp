#include "support/fake_cupti.hpp"

#include <stdexcept>
#include <utility>

namespace greenlane::fake {
namespace {

FakeCupti* in_force = nullptr;

CUptiResult call(const std::string& function) {
  ++in_force->calls[function];
  const auto answer = in_force->answers.find(function);
  return answer == in_force->answers.end() ? CUPTI_SUCCESS : answer->second;
}

// Returns the size of a record of this kind.
std::size_t size_of(const CUpti_Activity& record) {
  switch (record.kind) {
    case CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL:
      return sizeof(GREENLANE_CUPTI_KERNEL);
    case CUPTI_ACTIVITY_KIND_MEMCPY:
      return sizeof(CUpti_ActivityMemcpy6);
    case CUPTI_ACTIVITY_KIND_MEMSET:
      return sizeof(CUpti_ActivityMemset4);
    case CUPTI_ACTIVITY_KIND_EXTERNAL_CORRELATION:
      return sizeof(CUpti_ActivityExternalCorrelation);
    case CUPTI_ACTIVITY_KIND_CONTEXT:
      return sizeof(CUpti_ActivityContext3);
    case CUPTI_ACTIVITY_KIND_RUNTIME:
      return sizeof(CUpti_ActivityAPI);
    default:
      throw std::logic_error("the fake writes no such records");
  }
}

template <class Record>
Record work(CUpti_ActivityKind kind, std::uint32_t correlation, CUcontext context, CUstream stream) {
  Record record{};
  record.kind = kind;
  record.correlationId = correlation;
  record.contextId = in_force->number_of(context);
  record.streamId = in_force->number_of(stream);
  record.start = in_force->now ? in_force->now() : 0;
  record.end = record.start + in_force->length_ns;
  return record;
}

}  // namespace

FakeCupti::FakeCupti() {
  in_force = this;
  table_.cuptiActivityEnable = [](CUpti_ActivityKind kind) {
    const auto refused = in_force->refusals.find(kind);
    if (refused != in_force->refusals.end()) return refused->second;
    in_force->enabled.insert(kind);
    return call("cuptiActivityEnable");
  };
  table_.cuptiActivityDisable = [](CUpti_ActivityKind kind) {
    in_force->enabled.erase(kind);
    return call("cuptiActivityDisable");
  };
  table_.cuptiActivityFlushAll = [](std::uint32_t) {
    in_force->flush();
    return call("cuptiActivityFlushAll");
  };
  table_.cuptiActivityGetNextRecord = [](std::uint8_t* buffer, std::size_t valid, CUpti_Activity** record) {
    auto* next = *record ? reinterpret_cast<std::uint8_t*>(*record) + size_of(**record) : buffer;
    if (next >= buffer + valid) return CUPTI_ERROR_MAX_LIMIT_REACHED;
    *record = reinterpret_cast<CUpti_Activity*>(next);
    return CUPTI_SUCCESS;
  };
  table_.cuptiActivityGetNumDroppedRecords = [](CUcontext, std::uint32_t, std::size_t* count) {
    *count = std::exchange(in_force->dropped, 0);
    return call("cuptiActivityGetNumDroppedRecords");
  };
  table_.cuptiActivityPushExternalCorrelationId = [](CUpti_ExternalCorrelationKind, std::uint64_t id) {
    in_force->stack.push_back(id);
    return CUPTI_SUCCESS;
  };
  table_.cuptiActivityPopExternalCorrelationId = [](CUpti_ExternalCorrelationKind, std::uint64_t* last) {
    if (in_force->stack.empty()) return CUPTI_ERROR_QUEUE_EMPTY;
    *last = in_force->stack.back();
    in_force->stack.pop_back();
    return CUPTI_SUCCESS;
  };
  table_.cuptiActivityRegisterCallbacks = [](CUpti_BuffersCallbackRequestFunc asked,
                                             CUpti_BuffersCallbackCompleteFunc given) {
    in_force->request = asked;
    in_force->complete = given;
    return call("cuptiActivityRegisterCallbacks");
  };
  table_.cuptiActivityRegisterTimestampCallback = [](CUpti_TimestampCallbackFunc clock) {
    in_force->now = clock;
    return call("cuptiActivityRegisterTimestampCallback");
  };
  table_.cuptiGetContextId = [](CUcontext context, std::uint32_t* number) {
    *number = in_force->number_of(context);
    return call("cuptiGetContextId");
  };
  table_.cuptiGetStreamIdEx = [](CUcontext, CUstream stream, std::uint8_t, std::uint32_t* number) {
    *number = in_force->number_of(stream);
    return call("cuptiGetStreamIdEx");
  };
  table_.cuptiGetResultString = [](CUptiResult result, const char** text) {
    *text = result == CUPTI_ERROR_INSUFFICIENT_PRIVILEGES ? "CUPTI_ERROR_INSUFFICIENT_PRIVILEGES" : "CUPTI_ERROR";
    return CUPTI_SUCCESS;
  };
}

FakeCupti::~FakeCupti() { in_force = nullptr; }

std::uint32_t FakeCupti::number_of(const void* handle) {
  return numbers.try_emplace(handle, static_cast<std::uint32_t>(numbers.size()) + 1).first->second;
}

std::uint32_t FakeCupti::launch() {
  const auto correlation = next_correlation++;
  if (!stack.empty()) external(CUPTI_EXTERNAL_CORRELATION_KIND_CUSTOM2, correlation, stack.back());
  api_call();
  return correlation;
}

void FakeCupti::kernel(std::uint32_t correlation, CUcontext context, CUstream stream, const char* name, bool in_graph) {
  auto record = work<GREENLANE_CUPTI_KERNEL>(CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL, correlation, context, stream);
  record.name = name;
  record.graphId = in_graph ? 1 : 0;
  write(record);
}

void FakeCupti::copy(std::uint32_t correlation, CUcontext context, CUstream stream) {
  write(work<CUpti_ActivityMemcpy6>(CUPTI_ACTIVITY_KIND_MEMCPY, correlation, context, stream));
}

void FakeCupti::set(std::uint32_t correlation, CUcontext context, CUstream stream) {
  write(work<CUpti_ActivityMemset4>(CUPTI_ACTIVITY_KIND_MEMSET, correlation, context, stream));
}

void FakeCupti::context(std::uint32_t number, bool is_green, int units) {
  CUpti_ActivityContext3 record{};
  record.kind = CUPTI_ACTIVITY_KIND_CONTEXT;
  record.contextId = number;
  record.isGreenContext = is_green ? 1 : 0;
  record.numMultiprocessors = static_cast<std::uint16_t>(units);
  write(record);
}

void FakeCupti::external(CUpti_ExternalCorrelationKind kind, std::uint32_t correlation, std::uint64_t id) {
  CUpti_ActivityExternalCorrelation record{};
  record.kind = CUPTI_ACTIVITY_KIND_EXTERNAL_CORRELATION;
  record.externalKind = kind;
  record.correlationId = correlation;
  record.externalId = id;
  write(record);
}

void FakeCupti::api_call() {
  CUpti_ActivityAPI record{};
  record.kind = CUPTI_ACTIVITY_KIND_RUNTIME;
  write(record);
}

void FakeCupti::flush() {
  if (pending_.empty() || !request) return;
  std::uint8_t* buffer = nullptr;
  std::size_t size = 0;
  std::size_t most = 0;
  request(&buffer, &size, &most);
  std::size_t used = 0;
  for (const auto& record : pending_) {
    if (used + record.size() > size) {
      ++dropped;
      continue;
    }
    std::memcpy(buffer + used, record.data(), record.size());
    used += record.size();
  }
  pending_.clear();
  complete(nullptr, 0, buffer, size, used);
}

void FakeCupti::give_foreign(std::vector<std::uint8_t>& buffer) {
  std::size_t used = 0;
  for (const auto& record : pending_) used += record.size();
  buffer.resize(used);
  used = 0;
  for (const auto& record : pending_) {
    std::memcpy(buffer.data() + used, record.data(), record.size());
    used += record.size();
  }
  pending_.clear();
  complete(nullptr, 0, buffer.data(), buffer.size(), used);
}

}  // namespace greenlane::fake
