#include <greenlane/detail/core/call_observer.hpp>

#include <atomic>

namespace greenlane {
namespace {

std::atomic<CallObserver*> in_force{nullptr};

}  // namespace

void set_call_observer(CallObserver* observer) noexcept { in_force.store(observer, std::memory_order_release); }

void detail::ObservedCall::begin(const StreamBinding& binding, const std::optional<Lane>& lane) noexcept {
  auto* const observer = in_force.load(std::memory_order_acquire);
  if (!observer) return;
  observer_ = observer;
  observer->entered(binding, lane);
}

}  // namespace greenlane
