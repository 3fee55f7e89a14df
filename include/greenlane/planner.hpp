// All of greenlane::planner: plans and predictions.
#pragma once

#include <greenlane/planner/engine_demand.hpp>
#include <greenlane/planner/learn.hpp>
#include <greenlane/planner/planner.hpp>
