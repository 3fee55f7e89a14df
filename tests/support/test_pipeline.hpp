// Pipelines of the test suite's packages, on this machine's CPU.
#pragma once

#include "support/runtime_folder.hpp"

#include <greenlane/detail/runtime/loaded_pipeline.hpp>

#include <string>

namespace greenlane::runtime {

// Returns the table of an engine of one of the suite's models.
inline std::string engine_table(const std::string& name, const std::string& model, const std::string& keys = "") {
  const std::string folder = std::string(GREENLANE_TEST_MODELS) + "/";
  return "[engine." + name + "]\nmodel = '" + folder + model + ".pt2'\ninputs = '" + folder + model + ".inputs.pt'\n" +
         keys;
}

inline LoadedPipeline cpu_pipeline(const Folder& folder, const std::string& tables) {
  return LoadedPipeline(load_config(folder.write("pipeline.toml", "device = 'cpu'\n" + tables)));
}

}  // namespace greenlane::runtime
