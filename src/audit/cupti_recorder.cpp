#include "audit/cupti_table.hpp"
#include "audit/recorder.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/core/log.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <unordered_map>
#include <utility>

namespace greenlane::audit {
namespace {

using std::chrono::nanoseconds;

// PyTorch's profiler uses the other two custom kinds.
constexpr auto kOurs = CUPTI_EXTERNAL_CORRELATION_KIND_CUSTOM2;
constexpr std::size_t kBufferBytes = 4U << 20U;

// Call sites belong to calls of the driver and the runtime, and the records of kernels name those calls. Kernels go
// last: work that is enqueued before the other kinds are on would be nobody's.
constexpr std::array kKinds{CUPTI_ACTIVITY_KIND_EXTERNAL_CORRELATION,
                            CUPTI_ACTIVITY_KIND_DRIVER,
                            CUPTI_ACTIVITY_KIND_RUNTIME,
                            CUPTI_ACTIVITY_KIND_CONTEXT,
                            CUPTI_ACTIVITY_KIND_MEMCPY,
                            CUPTI_ACTIVITY_KIND_MEMSET,
                            CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL};

// The log that takes the records. The mutex is held while a buffer is read, so that the log does not go meanwhile.
struct LogInForce {
  std::mutex mutex;
  ActivityLog* log = nullptr;

  static LogInForce& instance() {
    static auto* const one = new LogInForce;  // never destroyed: CUPTI calls back when the process ends
    return *one;
  }
  void set(ActivityLog* to) {
    const std::scoped_lock lock(mutex);
    log = to;
  }
};
std::atomic<bool> is_recording{false};

// CUPTI cannot be set back to its own clock, which is the system clock. After an audit, this callback gives others the
// same times.
std::uint64_t CUPTIAPI time_now() {
  const auto now = is_recording.load(std::memory_order_relaxed)
                       ? std::chrono::steady_clock::now().time_since_epoch()
                       : std::chrono::duration_cast<nanoseconds>(std::chrono::system_clock::now().time_since_epoch());
  return static_cast<std::uint64_t>(std::chrono::duration_cast<nanoseconds>(now).count());
}

// The buffers that we lent to CUPTI. CUPTI may give us a buffer of an earlier recorder, and give that recorder one of
// ours, so a buffer is freed by its maker. Never destroyed: CUPTI calls back when the process ends.
struct Buffers {
  std::mutex mutex;
  std::unordered_map<const std::uint8_t*, std::unique_ptr<std::uint8_t[]>> lent;

  static Buffers& instance() {
    static auto* const all = new Buffers;
    return *all;
  }
};

void CUPTIAPI request_buffer(std::uint8_t** buffer, std::size_t* size, std::size_t* most_records) {
  auto& all = Buffers::instance();
  std::unique_ptr<std::uint8_t[]> memory(new (std::nothrow) std::uint8_t[kBufferBytes]);
  *most_records = 0;
  *buffer = memory.get();
  *size = *buffer ? kBufferBytes : 0;  // without a buffer, CUPTI drops records and counts them
  const std::scoped_lock lock(all.mutex);
  if (memory) all.lent[memory.get()] = std::move(memory);
}

template <class Record>
RecordedActivity activity_of(const Record& record, ActivityKind kind) {
  return {.kind = kind,
          .correlation = record.correlationId,
          .device = record.deviceId,
          .context = record.contextId,
          .stream = record.streamId,
          .in_graph = record.graphId != 0,
          .begin = nanoseconds(record.start),
          .end = nanoseconds(record.end)};
}

void read(const CUpti_Activity& record, ActivityLog& log) {
  switch (record.kind) {
    case CUPTI_ACTIVITY_KIND_KERNEL:
    case CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL: {
      const auto& kernel = reinterpret_cast<const GREENLANE_CUPTI_KERNEL&>(record);
      auto activity = activity_of(kernel, ActivityKind::kernel);
      activity.kernel = kernel.name ? kernel.name : "?";
      log.add(activity);
      break;
    }
    case CUPTI_ACTIVITY_KIND_MEMCPY:
      log.add(activity_of(reinterpret_cast<const CUpti_ActivityMemcpy6&>(record), ActivityKind::copy));
      break;
    case CUPTI_ACTIVITY_KIND_MEMSET:
      log.add(activity_of(reinterpret_cast<const CUpti_ActivityMemset4&>(record), ActivityKind::copy));
      break;
    case CUPTI_ACTIVITY_KIND_EXTERNAL_CORRELATION: {
      const auto& launch = reinterpret_cast<const CUpti_ActivityExternalCorrelation&>(record);
      if (launch.externalKind == kOurs)
        log.add_launch(launch.correlationId, static_cast<std::uint32_t>(launch.externalId));
      break;
    }
    case CUPTI_ACTIVITY_KIND_CONTEXT: {
      const auto& context = reinterpret_cast<const CUpti_ActivityContext3&>(record);
      const bool is_green = context.isGreenContext != 0;
      log.add_context({.context = context.contextId,
                       .device = context.deviceId,
                       .is_green = is_green,
                       .units = is_green ? context.numMultiprocessors : 0});
      break;
    }
    default:
      break;  // calls of the driver and the runtime: recorded only for their numbers
  }
}

// Reads a buffer. Runs in a thread of CUPTI's, or in the one that flushes.
void CUPTIAPI take_buffer(CUcontext /*context*/, std::uint32_t /*stream*/, std::uint8_t* buffer, std::size_t /*size*/,
                          std::size_t valid) {
  const auto* const table = cupti::find();
  auto& in_force = LogInForce::instance();
  const std::scoped_lock reading(in_force.mutex);
  if (auto* const log = in_force.log; table && log && valid > 0) {
    CUpti_Activity* record = nullptr;
    while (table->cuptiActivityGetNextRecord(buffer, valid, &record) == CUPTI_SUCCESS) read(*record, *log);
    std::size_t dropped = 0;
    if (table->cuptiActivityGetNumDroppedRecords(nullptr, 0, &dropped) == CUPTI_SUCCESS) log->add_dropped(dropped);
    log->settle();
  }
  auto& all = Buffers::instance();
  const std::scoped_lock lock(all.mutex);
  all.lent.erase(buffer);
}

std::string describe(const cupti::Table& table, CUptiResult result) {
  const char* name = nullptr;
  table.cuptiGetResultString(result, &name);
  return name ? name : "error " + std::to_string(static_cast<int>(result));
}

[[noreturn]] void refuse(const cupti::Table& table, const char* call, CUptiResult result) {
  std::string remedy = "end whatever else traces this process (Nsight, another profiler), and try again";
  if (result == CUPTI_ERROR_INSUFFICIENT_PRIVILEGES) {
    remedy =
        "let users trace (the driver's option NVreg_RestrictProfilingToAdminUsers=0, or in a container the capability "
        "SYS_ADMIN), or run as root";
  } else if (result == CUPTI_ERROR_VIRTUALIZED_DEVICE_NOT_SUPPORTED || result == CUPTI_ERROR_NOT_COMPATIBLE) {
    remedy = "use a driver that fits this CUPTI, and a GPU that is not shared as a virtual one";
  }
  throw AuditError({.what = "an audit cannot be made",
                    .why = std::string("CUPTI refused it: ") + call + " gave " + describe(table, result),
                    .remedy = remedy});
}

const cupti::Table& require() {
  if (const auto* table = cupti::find()) return *table;
  throw AuditError({.what = "an audit cannot be made",
                    .why = cupti::unavailable_reason(),
                    .remedy = "install CUPTI (pip install nvidia-cuda-cupti, or a CUDA toolkit), of the CUDA that "
                              "PyTorch is for"});
}

class CuptiRecorder final : public Recorder {
 public:
  void start(ActivityLog& log) override {
    const auto& table = require();
    const auto check = [&](const char* call, CUptiResult result) {
      if (result == CUPTI_SUCCESS) return;
      stop();
      refuse(table, call, result);
    };
    // Gives an earlier recorder its buffers back. Does nothing if nobody recorded before.
    table.cuptiActivityFlushAll(CUPTI_ACTIVITY_FLAG_FLUSH_FORCED);
    LogInForce::instance().set(&log);
    is_recording.store(true, std::memory_order_relaxed);
    check("cuptiActivityRegisterTimestampCallback", table.cuptiActivityRegisterTimestampCallback(time_now));
    check("cuptiActivityRegisterCallbacks", table.cuptiActivityRegisterCallbacks(request_buffer, take_buffer));
    for (const auto kind : kKinds) check("cuptiActivityEnable", table.cuptiActivityEnable(kind));
  }

  void stop() noexcept override {
    try {
      const auto& table = require();
      const auto result = table.cuptiActivityFlushAll(0);
      for (const auto kind : kKinds) table.cuptiActivityDisable(kind);
      // A record that is not complete now never will be.
      table.cuptiActivityFlushAll(CUPTI_ACTIVITY_FLAG_FLUSH_FORCED);
      if (result != CUPTI_SUCCESS)
        warn("CUPTI's final flush failed (" + describe(table, result) + "), so records are missing: repeat the audit");
    } catch (const std::exception& error) {
      warn(error.what());
    }
    is_recording.store(false, std::memory_order_relaxed);
    LogInForce::instance().set(nullptr);
  }

  void push(std::uint32_t site) noexcept override {
    if (const auto* table = cupti::find()) table->cuptiActivityPushExternalCorrelationId(kOurs, site);
  }

  void pop() noexcept override {
    std::uint64_t last = 0;
    if (const auto* table = cupti::find()) table->cuptiActivityPopExternalCorrelationId(kOurs, &last);
  }

  std::optional<std::uint32_t> number_of(CUctx_st* context) override {
    std::uint32_t number = 0;
    if (require().cuptiGetContextId(context, &number) != CUPTI_SUCCESS) return std::nullopt;
    return number;
  }

  std::optional<std::uint32_t> number_of(CUctx_st* context, StreamView stream) override {
    std::uint32_t number = 0;
    if (require().cuptiGetStreamIdEx(context, stream.handle(), 0, &number) != CUPTI_SUCCESS) return std::nullopt;
    return number;
  }
};

}  // namespace

Recorder& recorder() {
  (void)require();
  static CuptiRecorder one;
  return one;
}

}  // namespace greenlane::audit
