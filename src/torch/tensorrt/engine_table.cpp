#include "torch/tensorrt/engine_table.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/core/log.hpp>
#include <greenlane/detail/core/process.hpp>
#include <greenlane/torch/tensorrt.hpp>

#include <ATen/core/class_type.h>
#include <c10/util/intrusive_ptr.h>
#include <cuda_runtime_api.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

namespace greenlane::tensorrt {
namespace {

using Target = c10::intrusive_ptr_target;

struct Entry {
  c10::weak_intrusive_ptr<Target> engine;
  std::shared_ptr<EngineRecord> record;
};

// A table of engines' records. It is never destroyed, because engines in static storage may be called, or destroyed,
// after everything else.
class EngineTable {
 public:
  static EngineTable& instance() {
    static detail::PerProcess<EngineTable> table;
    return table.get();
  }

  std::shared_ptr<EngineRecord> find(const Target* engine) const noexcept {
    const std::shared_lock lock(mutex_);
    const auto found = entries_.find(engine);
    return found == entries_.end() ? nullptr : found->second.record;
  }

  std::shared_ptr<EngineRecord> find_python(const void* engine) const noexcept {
    const std::shared_lock lock(mutex_);
    const auto found = python_.find(engine);
    return found == python_.end() ? nullptr : found->second;
  }

  std::shared_ptr<EngineRecord> insert_python(const void* engine, const std::shared_ptr<EngineRecord>& record) {
    const std::unique_lock lock(mutex_);
    const auto entry = python_.try_emplace(engine, record).first;
    update_count();
    return entry->second;
  }

  void forget_python(const void* engine) noexcept {
    std::shared_ptr<EngineRecord> gone;  // freed after the lock is released
    const std::unique_lock lock(mutex_);
    const auto found = python_.find(engine);
    if (found == python_.end()) return;
    gone = std::move(found->second);
    python_.erase(found);
    update_count();
  }

  std::shared_ptr<EngineRecord> insert(const c10::intrusive_ptr<Target>& engine, std::shared_ptr<EngineRecord> record) {
    const std::unique_lock lock(mutex_);
    const auto [entry, is_new] =
        entries_.try_emplace(engine.get(), Entry{c10::weak_intrusive_ptr<Target>(engine), std::move(record)});
    update_count();
    if (is_new && !sweeper_.joinable() && !stopping_) {
      std::atexit([] { instance().stop(); });
      sweeper_ = std::thread([this] { sweep_until_stopped(); });
    }
    arrived_.notify_one();
    return entry->second.record;
  }

  std::size_t count() const noexcept { return count_.load(std::memory_order_acquire); }

 private:
  void update_count() noexcept { count_.store(entries_.size() + python_.size(), std::memory_order_release); }

  // Removes records of engines that are gone, until the process ends. The operating system reclaims the memory of later
  // ones.
  void sweep_until_stopped() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      arrived_.wait(lock, [this] { return stopping_ || !entries_.empty(); });
      std::vector<Entry> gone;
      for (auto entry = entries_.begin(); entry != entries_.end();) {
        if (entry->second.engine.use_count() != 0) {
          ++entry;
          continue;
        }
        gone.push_back(std::move(entry->second));
        entry = entries_.erase(entry);
      }
      update_count();
      lock.unlock();
      free(std::move(gone));  // frees engines and lanes, so not under the lock
      lock.lock();
      if (!entries_.empty()) arrived_.wait_for(lock, std::chrono::milliseconds(20), [this] { return stopping_; });
    }
  }

  // Frees records and engines. Freeing device memory would end a graph's capture in any other thread, so the relaxed
  // mode is set.
  static void free(std::vector<Entry> gone) {
    while (!gone.empty()) {
      const bool on_gpu = gone.back().record->binding.device().id().kind == DeviceKind::cuda;
      cudaStreamCaptureMode mode = cudaStreamCaptureModeRelaxed;
      if (on_gpu) cudaThreadExchangeStreamCaptureMode(&mode);
      gone.pop_back();
      if (on_gpu) cudaThreadExchangeStreamCaptureMode(&mode);
    }
  }

  void stop() {
    {
      const std::unique_lock lock(mutex_);
      stopping_ = true;
    }
    arrived_.notify_one();
    if (sweeper_.joinable()) sweeper_.join();  // a forked child may have no thread
  }

  mutable std::shared_mutex mutex_;
  std::condition_variable_any arrived_;
  std::unordered_map<const Target*, Entry> entries_;
  std::unordered_map<const void*, std::shared_ptr<EngineRecord>> python_;
  std::atomic<std::size_t> count_{0};
  bool stopping_ = false;
  std::thread sweeper_;
};

// Gives each warning once. Names are not unique: engines with one name share their warnings.
void warn_once(const std::string& text) {
  static detail::ForkSafeMutex mutex;
  static auto* const said = new std::set<std::string, std::less<>>;
  {
    const std::scoped_lock lock(mutex);
    if (!said->insert(text).second) return;
  }
  warn(text);
}

void warn_of_what_can_leave(const EngineMetadata& metadata) {
  const auto engine = "the Torch-TensorRT engine '" + metadata.name + "'";
  if (metadata.may_have_auxiliary_streams) {
    warn_once(engine +
              " may have auxiliary streams of TensorRT's, which run on all SMs: compile it with max_aux_streams=0 to "
              "keep all of its work in its lane");
  }
  if (metadata.needs_multi_device) {
    warn_once(engine +
              " talks to other devices by itself (native multi-device): its communication runs outside of its lane");
  }
}

std::shared_ptr<EngineRecord> make_record(const c10::IValue& engine) {
  const auto metadata = read_metadata(engine);
  if (metadata.follows_caller) warn_of_what_can_leave(metadata);
  const auto device = Device::open(metadata.device);
  auto record = std::make_shared<EngineRecord>(device, metadata.name, metadata.follows_caller);
  record->needs_output_allocator = metadata.needs_output_allocator;
  // The record must not keep the engine alive, and the engine may be destroyed at any time.
  record->has_own_graphs =
      [type = engine.toObjectRef().type(),
       weak = c10::weak_intrusive_ptr<torch::CustomClassHolder>(engine.toObjectRef().getSlot(0).toCapsule())] {
        auto target = weak.lock();
        if (!target) return false;
        const auto object = c10::ivalue::Object::create(c10::StrongTypePtr(nullptr, c10::TypePtr(type)), 1);
        object->setSlot(0, c10::IValue::make_capsule(std::move(target)));
        return has_own_graphs(object);
      };
  return record;
}

}  // namespace

void EngineRecord::require_bindable(const std::string& engine) const {
  if (follows_caller) return;
  throw StreamError({.what = "the Torch-TensorRT engine '" + engine + "' cannot be bound",
                     .why = "this version of Torch-TensorRT runs engines on streams of its own choice",
                     .remedy = "use Torch-TensorRT 2.13 or newer"});
}

void EngineRecord::require_movable(const std::string& engine) const {
  if (!has_own_graphs || !has_own_graphs()) return;
  throw StreamError({.what = "the Torch-TensorRT engine '" + engine + "' cannot be bound",
                     .why = "TensorRT-RTX captures CUDA graphs of its own in it (cuda_graph_strategy), which run where "
                            "they were captured, and which nothing can drop",
                     .remedy = "set cuda_graph_strategy to 'disabled', and capture the model with gl.capture"});
}

bool EngineRecord::note_context(std::vector<std::int64_t> setting) {
  const std::scoped_lock lock(mutex_);
  if (setting == context_) return false;
  context_ = std::move(setting);
  context_changes->fetch_add(1, std::memory_order_release);
  return true;
}

std::shared_ptr<void> EngineRecord::rebound(const std::optional<Lane>& lane) noexcept {
  if (const auto graphs = calls.graphs()) return graphs->rebound(lane);
  if (lane || !has_own_graphs) return nullptr;
  try {
    if (!has_own_graphs()) return nullptr;
    auto text = "the Torch-TensorRT engine '" + binding.owner() +
                "' is not bound any more, but TensorRT-RTX captured CUDA graphs of its own in it meanwhile "
                "(cuda_graph_strategy): they run where they were captured until its runtime settings change";
    // The warning is given after the binding's lock is released.
    return {nullptr, [text = std::move(text)](void*) noexcept { warn(text); }};
  } catch (const std::exception&) {
    return nullptr;  // the engine does not describe itself, so nothing is known
  }
}

std::shared_ptr<EngineRecord> find_record(const c10::IValue& engine) noexcept {
  const auto& table = EngineTable::instance();
  if (table.count() == 0) return nullptr;
  if (engine.isPyObject()) return table.find_python(engine.toPyObjectHolder()->getPyObject());
  if (!engine.isObject()) return nullptr;
  const auto& slots = engine.toObjectRef().slots();
  if (slots.size() != 1 || !slots[0].isCapsule()) return nullptr;
  return table.find(slots[0].toCapsule().get());
}

std::shared_ptr<EngineRecord> record_of(const c10::IValue& engine) {
  if (auto found = find_record(engine)) return found;
  return EngineTable::instance().insert(engine.toObjectRef().getSlot(0).toCapsule(), make_record(engine));
}

std::shared_ptr<detail::EngineCalls> calls_of(const c10::IValue& engine) {
  if (!engine.isObject()) return nullptr;
  const auto name = engine.toObjectRef().type()->name();
  if (!name || name->qualifiedName() != kEngineClass) return nullptr;
  const auto record = record_of(engine);
  return {record, &record->calls};
}

std::shared_ptr<EngineRecord> find_python_record(const void* engine) noexcept {
  return EngineTable::instance().find_python(engine);
}

std::shared_ptr<EngineRecord> python_record_of(const void* engine, const EngineMetadata& metadata) {
  if (auto found = find_python_record(engine)) return found;
  warn_of_what_can_leave(metadata);
  return EngineTable::instance().insert_python(
      engine, std::make_shared<EngineRecord>(Device::open(metadata.device), metadata.name));
}

void forget_python_record(const void* engine) noexcept { EngineTable::instance().forget_python(engine); }

}  // namespace greenlane::tensorrt
