// Opens live pipelines, for greenlane's own bindings.
#pragma once

#include <greenlane/detail/runtime/loaded_pipeline.hpp>
#include <greenlane/runtime/pipeline.hpp>

#include <atomic>
#include <filesystem>

namespace greenlane::runtime {

// Opens a pipeline as Pipeline::open() does, with modules.
// `stop`: polled; once it is set, opening ends with EngineError.
[[nodiscard]] Pipeline open_pipeline(const std::filesystem::path& config, const PipelineOptions& options,
                                     const ModuleLoader& modules, const std::atomic<bool>& stop);

}  // namespace greenlane::runtime
