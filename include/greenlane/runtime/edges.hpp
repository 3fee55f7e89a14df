// Sources and sinks of pipelines: where a program publishes data, and where it reads results.
#pragma once

#include <ATen/core/Tensor.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace greenlane {

namespace detail {
struct Access;
}  // namespace detail
namespace runtime {
class TensorSource;
class Written;
struct SinkParts;
}  // namespace runtime

/// An item that was published.
/// Thread safety: all members may be called from any thread.
class PublishedItem {
 public:
  /// Returns its sequence number; 1 for the first item of the source.
  [[nodiscard]] std::uint64_t sequence() const noexcept { return sequence_; }
  /// Returns false if the full queue of an edge rejected it. Other edges have taken it.
  [[nodiscard]] bool was_taken() const noexcept { return was_taken_; }
  /// Returns true once its tensors may be changed. Pageable data may be changed at once.
  [[nodiscard]] bool is_copied() const;
  /// Waits until its tensors may be changed.
  void wait_until_copied() const;

 private:
  friend struct detail::Access;
  PublishedItem(std::uint64_t sequence, bool was_taken, std::shared_ptr<const runtime::Written> copied)
      : sequence_(sequence), was_taken_(was_taken), copied_(std::move(copied)) {}
  std::uint64_t sequence_;
  bool was_taken_;
  std::shared_ptr<const runtime::Written> copied_;
};

/// Where a program publishes data into a pipeline: a shared handle, which may outlive the pipeline.
/// Thread safety: all members may be called from any thread. Items get their order from the calls.
class PipelineSource {
 public:
  /// Returns its name.
  [[nodiscard]] const std::string& name() const noexcept;

  /// Hands an item to the engines that take from the source. `item`: one tensor for each number behind its name in the
  /// file ("camera.1"), with the shapes and dtypes of the recorded inputs, on any device and with any strides. Does not
  /// wait for the GPU; it waits only while the full queue of an edge with `overflow = "block"` has no room.
  /// Lifetime: pinned memory and memory of a GPU must not change until the result's is_copied(). Pageable memory may
  /// change at once.
  /// Stream order: reads memory of a GPU behind the work on the caller's current stream there.
  /// Throws: EngineError if the item does not fit; RequestError if the pipeline is closed; StreamError in a process
  /// that was forked since the pipeline was opened.
  PublishedItem publish(const std::vector<at::Tensor>& item);

 private:
  friend struct detail::Access;
  explicit PipelineSource(std::shared_ptr<runtime::TensorSource> source) : source_(std::move(source)) {}
  std::shared_ptr<runtime::TensorSource> source_;
};

/// An item of a source that went into a result.
struct SourceStamp {
  std::string source;                               ///< the source's name
  std::uint64_t sequence = 0;                       ///< of the item
  std::chrono::steady_clock::time_point published;  ///< when publish() was entered
};

/// A result of an engine.
struct SinkResult {
  std::vector<at::Tensor> outputs;  ///< copies, ordered on the caller's current stream
  std::uint64_t sequence = 0;       ///< 1 for the first result of the engine
  /// From the publication of the oldest source item in it until now. Absent: there is no source item in it.
  std::optional<std::chrono::nanoseconds> age;
  std::vector<SourceStamp> items;  ///< the source items in it, without those that came through feedback edges
};

/// Where a program reads the results of an engine's runs from edges: a handle, which may outlive the pipeline.
/// Thread safety: one thread at a time. Take a handle for each thread.
class PipelineSink {
 public:
  /// Returns the engine's name.
  [[nodiscard]] const std::string& name() const noexcept;
  /// Returns the newest result; absent: there is none, or the pipeline is closed. Does not wait.
  /// Stream order: the outputs are copied on the caller's current stream.
  [[nodiscard]] std::optional<SinkResult> latest();
  /// Returns the newest result as soon as it is newer than the handle's last one; absent: there was none within `time`.
  /// Stream order: as latest().
  /// Throws: RequestError if the engine stopped or the pipeline is closed; StreamError in a process that was forked
  /// since.
  [[nodiscard]] std::optional<SinkResult> wait(std::chrono::nanoseconds time);

 private:
  friend struct detail::Access;
  explicit PipelineSink(std::shared_ptr<const runtime::SinkParts> parts) : parts_(std::move(parts)) {}
  std::shared_ptr<const runtime::SinkParts> parts_;
  std::uint64_t last_ = 0;
};

}  // namespace greenlane
