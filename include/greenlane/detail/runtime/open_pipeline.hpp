// Opens live pipelines, for greenlane's own bindings.
#pragma once

#include <greenlane/detail/runtime/loaded_pipeline.hpp>
#include <greenlane/runtime/pipeline.hpp>

#include <atomic>
#include <filesystem>

namespace greenlane::runtime {

// Opens a pipeline as Pipeline::open() does, with modules.
// `stop`: polled; once it is set, opening ends with EngineError.
[[nodiscard]] Pipeline open_pipeline(const std::filesystem::path& file, const PipelineOptions& options,
                                     const ModuleLoader& modules, const std::atomic<bool>& stop);

// Takes over changes of a module, between two runs of its engine, on the engine's thread.
// Throws: EngineError if the module cannot be captured now, or the engine is a package; the engine is as before then.
// RequestError if the engine stopped or the pipeline is closed.
void recapture(const PipelineEngine& engine);

}  // namespace greenlane::runtime
