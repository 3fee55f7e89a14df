// The facts that an audit needs beside activities: who called, and what CUPTI's numbers stand for.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace greenlane::audit {

// The lane that an engine was bound to.
struct SiteLane {
  std::string name;
  int units = 0;
  std::optional<std::uint32_t> context;  // absent: the driver does not tell
};

// An engine's calls with one binding.
struct CallSite {
  std::string engine;
  std::optional<SiteLane> lane;  // absent: not bound
  std::uint64_t calls = 0;
};

struct ContextInfo {
  bool is_green = false;
  bool is_used = false;     // a lane is on it, or work ran there; streams of closed lanes keep others
  int units = 0;            // 0: unknown
  std::string partition{};  // the lanes on it; empty: not greenlane's
  std::uint32_t device = 0;
};

enum class StreamKind { lane, default_stream, pool };

struct StreamInfo {
  StreamKind kind = StreamKind::lane;
  std::string lane{};  // the lane's name, for kind `lane`
};

struct Scene {
  std::vector<CallSite> sites;  // the first has number 1
  std::map<std::uint32_t, ContextInfo> contexts;
  std::map<std::uint32_t, StreamInfo> streams;

  // Returns null for 0 and for a number that is not known.
  [[nodiscard]] const CallSite* site(std::uint32_t number) const {
    return number == 0 || number > sites.size() ? nullptr : &sites[number - 1];
  }
  [[nodiscard]] const ContextInfo* context(std::uint32_t number) const {
    const auto found = contexts.find(number);
    return found == contexts.end() ? nullptr : &found->second;
  }
  // Returns true where the device is divided now. Undivided work then takes SMs of others.
  [[nodiscard]] bool has_partitions(std::uint32_t device) const {
    return std::ranges::any_of(contexts, [&](const auto& each) {
      return each.second.is_green && each.second.is_used && each.second.device == device;
    });
  }
};

}  // namespace greenlane::audit
