// The engines of one configuration, loaded once, and placed any number of times.
#pragma once

#include <greenlane/core/device.hpp>
#include <greenlane/detail/runtime/config.hpp>
#include <greenlane/detail/runtime/workload.hpp>
#include <greenlane/runtime/stats.hpp>

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace greenlane::runtime {

class ServedEngine;

/// Loads the modules that a configuration names, which are no files.
/// Throws: ConfigError, which names the engine.
using ModuleLoader = std::function<std::shared_ptr<Workload>(const PipelineConfig& config, const EngineConfig& engine,
                                                             const Device& device)>;

/// What a program adds to a configuration.
struct LoadOptions {
  /// Called for engines without a package. Empty: there must be none.
  ModuleLoader modules{};
  /// See PipelineOptions::on_miss; called on the engine's thread.
  std::function<void(const Miss&)> on_miss{};
};

/// The engines of one configuration. Each has a thread of its own, on which it is run.
/// Thread safety: none, but the engines have theirs.
class LoadedPipeline {
 public:
  /// Opens the devices and loads libraries, models and inputs.
  /// Throws: ConfigError, DeviceError.
  explicit LoadedPipeline(PipelineConfig config, const LoadOptions& options = {});
  ~LoadedPipeline();
  /// Takes everything from another pipeline, which must not be used afterwards.
  LoadedPipeline(LoadedPipeline&&) noexcept;
  LoadedPipeline& operator=(LoadedPipeline&&) = delete;

  /// Returns the configuration, with the lanes of the last place().
  [[nodiscard]] const PipelineConfig& config() const noexcept { return config_; }
  /// Returns the device of lanes that name none.
  [[nodiscard]] const Device& device() const noexcept { return device_; }
  /// Returns the device of an engine's lane.
  [[nodiscard]] Device device_of(std::size_t engine) const;

  /// Takes lanes, the engines' lanes and slice lengths from `planned`, which must have the same engines.
  void place(const PipelineConfig& planned);
  /// The engines in the order of the configuration. Between two rehearsals they are on no lane.
  [[nodiscard]] std::span<const std::shared_ptr<ServedEngine>> engines() const noexcept { return engines_; }

 private:
  PipelineConfig config_;
  Device device_;
  std::vector<std::shared_ptr<ServedEngine>> engines_;
};

}  // namespace greenlane::runtime
