#include "core/graphs/capture_scope.hpp"
#include "core/graphs/graph_state.hpp"
#include "core/lane_state.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/core/graph.hpp>
#include <greenlane/detail/core/access.hpp>
#include <greenlane/detail/core/kernel_code.hpp>

#include <algorithm>
#include <utility>

namespace greenlane {
namespace detail {

thread_local CaptureScope* CaptureScope::current_ = nullptr;

CaptureScope::~CaptureScope() { current_ = outer_; }

bool CaptureScope::captures() noexcept {
  for (const auto* scope = current_; scope; scope = scope->outer_) {
    if (scope->purpose_ == Purpose::capture) return true;
  }
  return false;
}

void CaptureScope::note(const Lane& lane) {
  for (auto* scope = current_; scope; scope = scope->outer_) {
    if (std::ranges::find(scope->lanes_, lane) == scope->lanes_.end()) scope->lanes_.push_back(lane);
  }
}

void CaptureScope::note(StreamBinding& binding, const Generation& generation, bool is_context) {
  for (auto* scope = current_; scope; scope = scope->outer_) {
    if (std::ranges::find(scope->bindings_, generation, &Entered::generation) == scope->bindings_.end())
      scope->bindings_.push_back(
          {.binding = &binding, .generation = generation, .value = generation->load(), .is_context = is_context});
  }
}

}  // namespace detail

Graph Graph::capture(const Lane& lane, const std::function<void()>& work) {
  auto state = std::make_shared<State>();
  const detail::CaptureScope scope(detail::CaptureScope::Purpose::capture);
  detail::CaptureScope::note(lane);
  state->backend = detail::Access::state(lane)->device->begin_capture(lane.stream());
  work();
  state->backend->finish();
  state->lanes = scope.lanes();
  for (const auto& entered : scope.bindings())
    (entered.is_context ? state->contexts : state->generations).emplace_back(entered.generation, entered.value);
  return Graph(std::move(state));
}

Graph Graph::moved(const Lane& to, const std::shared_ptr<KernelCode>& code) const {
  const auto& lanes = state_->lanes;
  if (lanes.size() > 1) {
    throw StreamError({.what = "a graph could not be moved to lane '" + to.name() + "'",
                       .why = "engines inside it run on lanes of their own",
                       .remedy = "capture it again there"});
  }
  const auto& from = lanes.front();
  auto state = std::make_shared<State>();
  state->backend = state_->backend->moved(from.stream(), to.stream(), code.get());
  state->lanes = {to};
  state->generations = state_->generations;
  state->contexts = state_->contexts;
  state->captured_on = state_->captured_on;
  if (!state->captured_on.backend) {
    const auto& lane = *detail::Access::state(from);
    state->captured_on = {.keep_alive = lane.keep_alive, .backend = lane.backend};
  }
  return Graph(std::move(state));
}

bool Graph::are_unchanged(const Noted& numbers) noexcept {
  return std::ranges::all_of(
      numbers, [](const auto& captured) { return captured.first->load(std::memory_order_acquire) == captured.second; });
}

bool Graph::is_current() const noexcept { return are_unchanged(state_->generations) && is_valid(); }

bool Graph::is_valid() const noexcept { return are_unchanged(state_->contexts); }

void Graph::launch(StreamView stream) const { state_->backend->launch(stream); }

}  // namespace greenlane
