// All of greenlane::runtime: pipelines, profiles, plan files, results.
#pragma once

#include <greenlane/runtime/config.hpp>
#include <greenlane/runtime/latency_histogram.hpp>
#include <greenlane/runtime/mode.hpp>
#include <greenlane/runtime/pipeline.hpp>
#include <greenlane/runtime/plan_file.hpp>
#include <greenlane/runtime/plan_json.hpp>
#include <greenlane/runtime/planning.hpp>
#include <greenlane/runtime/profile.hpp>
#include <greenlane/runtime/profile_file.hpp>
#include <greenlane/runtime/report.hpp>
#include <greenlane/runtime/trace.hpp>
#include <greenlane/runtime/verification.hpp>
