// Numbers the engines that are called during an audit, with the lanes of their calls.
#pragma once

#include "audit/recorder.hpp"
#include "audit/scene.hpp"

#include <greenlane/core/binding.hpp>
#include <greenlane/detail/core/call_observer.hpp>

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <tuple>
#include <vector>

namespace greenlane::audit {

// The call observer of audits. There is one for the process, and it outlives all calls. It holds no lane, because a
// lane that the audited code closes would then stay open.
class CallSites final : public CallObserver {
 public:
  [[nodiscard]] static CallSites& instance();

  // Tells the recorder of every call from now on.
  void begin(Recorder& recorder);
  // Tells the recorder of no further calls. Calls under way still tell it of their ends.
  void end();

  struct Contents {
    std::vector<CallSite> sites;
    std::set<int> devices;  // the devices of the engines
  };
  [[nodiscard]] Contents take();

  void entered(const StreamBinding& binding, const std::optional<Lane>& lane) noexcept override;
  void left() noexcept override;

 private:
  // The binding, the unit set and the stream of its lane, and the engine's name, because another engine's binding may
  // get the same address.
  using Key = std::tuple<const StreamBinding*, UnitSetId, std::int64_t, std::string>;
  [[nodiscard]] std::uint32_t find(const StreamBinding& binding, const std::optional<Lane>& lane);

  std::mutex mutex_;
  std::atomic<Recorder*> recorder_{nullptr};
  std::map<Key, std::uint32_t> numbers_;
  Contents contents_;
};

}  // namespace greenlane::audit
