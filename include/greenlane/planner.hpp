// All of greenlane::planner: plans and predictions.
#pragma once

#include <greenlane/planner/learn.hpp>
#include <greenlane/planner/planner.hpp>
