// All of greenlane::runtime: live pipelines.
#pragma once

#include <greenlane/runtime/edges.hpp>
#include <greenlane/runtime/pipeline.hpp>
#include <greenlane/runtime/stats.hpp>
