#include "torch/graphs/kernel_scope.hpp"

#include "torch/probe.hpp"

#include <ATen/Context.h>
#include <c10/util/Exception.h>

namespace greenlane::detail {
namespace {

// A handler that drops PyTorch's warning that its setting is an experiment: greenlane's users have not chosen that
// setting.
class Quiet final : public c10::WarningHandler {
 public:
  void process(const c10::Warning& /*warning*/) override {}
};

template <typename Context>
std::optional<std::int32_t> exchange(Context& context, std::optional<std::int32_t> carveout) {
  if constexpr (has_sm_carveout<Context>()) {
    Quiet quiet;
    const c10::WarningUtils::WarningHandlerGuard guard(&quiet);
    const auto former = context._SMCarveout_EXPERIMENTAL();
    context._setSMCarveout_EXPERIMENTAL(carveout);
    return former;
  } else {
    return std::nullopt;
  }
}

}  // namespace

bool can_target_kernels() { return has_sm_carveout<at::Context>(); }

KernelScope::KernelScope(int units, std::optional<int> target) {
  if (!target) return;
  former_ = exchange(at::globalContext(), units - *target);
  told_ = true;
}

KernelScope::~KernelScope() {
  if (told_) exchange(at::globalContext(), former_);
}

}  // namespace greenlane::detail
