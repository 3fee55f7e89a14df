// Activities and scenes for the tests of audits.
#pragma once

#include "audit/activity.hpp"
#include "audit/scene.hpp"

#include <string>

namespace greenlane::audit::testing {

inline constexpr std::uint32_t kPrimary = 1;
inline constexpr std::uint32_t kPolicy = 2;
inline constexpr std::uint32_t kVision = 3;
inline constexpr std::uint32_t kForeign = 4;  // somebody else's green context

inline constexpr std::uint32_t kDefaultStream = 7;
inline constexpr std::uint32_t kPolicyStream = 20;
inline constexpr std::uint32_t kVisionStream = 21;
inline constexpr std::uint32_t kPoolStream = 30;
inline constexpr std::uint32_t kUnknownStream = 40;

inline constexpr std::uint32_t kPolicySite = 1;
inline constexpr std::uint32_t kVisionSite = 2;
inline constexpr std::uint32_t kUnboundSite = 3;

inline CallSite site_of(const std::string& engine, const std::string& lane, int units, std::uint32_t context) {
  return {.engine = engine, .lane = SiteLane{.name = lane, .units = units, .context = context}, .calls = 10};
}

// Returns a scene with two partitions, an engine on each, and an engine on none.
inline Scene two_lanes() {
  Scene scene;
  scene.sites = {site_of("policy", "policy", 16, kPolicy),
                 site_of("vision", "vision", 48, kVision),
                 {.engine = "loose", .lane = {}, .calls = 3}};
  scene.contexts[kPrimary] = {.is_green = false, .units = 132};
  scene.contexts[kPolicy] = {.is_green = true, .is_used = true, .units = 16, .partition = "'policy'"};
  scene.contexts[kVision] = {.is_green = true, .is_used = true, .units = 48, .partition = "'vision'"};
  scene.contexts[kForeign] = {.is_green = true, .is_used = true, .units = 24};
  scene.streams[kDefaultStream] = {.kind = StreamKind::default_stream};
  scene.streams[kPolicyStream] = {.kind = StreamKind::lane, .lane = "policy"};
  scene.streams[kVisionStream] = {.kind = StreamKind::lane, .lane = "vision"};
  scene.streams[kPoolStream] = {.kind = StreamKind::pool};
  return scene;
}

// Returns a scene without partitions: every engine is on the whole device.
inline Scene undivided() {
  Scene scene;
  scene.sites = {site_of("policy", "whole", 132, kPrimary), {.engine = "loose", .lane = {}, .calls = 1}};
  scene.contexts[kPrimary] = {.is_green = false, .units = 132};
  scene.streams[kDefaultStream] = {.kind = StreamKind::default_stream};
  return scene;
}

inline Activity kernel(std::uint32_t site, std::uint32_t context, std::uint32_t stream,
                       const std::string& name = "matmul") {
  return {.kind = ActivityKind::kernel,
          .kernel = name,
          .site = site,
          .context = context,
          .stream = stream,
          .count = 5,
          .time = std::chrono::microseconds(10)};
}

inline Activity node(std::uint32_t site, std::uint32_t context, std::uint32_t stream) {
  auto activity = kernel(site, context, stream);
  activity.in_graph = true;
  return activity;
}

inline Activity copy(std::uint32_t site, std::uint32_t context, std::uint32_t stream) {
  auto activity = kernel(site, context, stream, "");
  activity.kind = ActivityKind::copy;
  return activity;
}

}  // namespace greenlane::audit::testing
