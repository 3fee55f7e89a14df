// The head of the planner's tests: example requests, the planner, and matchers for plans.
#pragma once

#include "support/plan_requests.hpp"

#include <greenlane/detail/planner/planner.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace greenlane {

using greenlane::testing::head;
using greenlane::testing::kAllUnits;
using greenlane::testing::point;
using greenlane::testing::policy;
using greenlane::testing::random_request;
using greenlane::testing::request;
using greenlane::testing::slices;
using greenlane::testing::vision;

}  // namespace greenlane
