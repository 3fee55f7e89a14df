// What a program's sink needs of a pipeline.
#pragma once

#include "runtime/edges/outlet.hpp"
#include "runtime/serving/served_engine.hpp"

#include <greenlane/detail/core/process.hpp>

#include <memory>
#include <string>
#include <vector>

namespace greenlane::runtime {

struct SinkParts {
  detail::Origin origin{};
  std::shared_ptr<ServedEngine> engine;
  std::shared_ptr<Outlet> outlet;
  std::vector<std::string> sources;  // the names of all sources
};

}  // namespace greenlane::runtime
