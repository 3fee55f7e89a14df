// The differences between versions of PyTorch, found from its own declarations. All such tests are in this file.
#pragma once

#include <ATen/core/TensorBase.h>
#include <ATen/core/ivalue.h>
#include <c10/core/Device.h>
#include <c10/util/intrusive_ptr.h>

#include <cstdint>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <utility>

namespace greenlane::detail {

// Returns the objects of custom classes inside a package, which share ownership with the objects that its model uses.
// Absent if this version of PyTorch has no access to them (before 2.13).
template <typename Loader>
std::optional<std::unordered_map<std::string, c10::IValue>> custom_objects(const Loader& loader) {
  if constexpr (requires { loader.get_custom_objs(); }) {
    return loader.get_custom_objs();
  } else {
    return std::nullopt;
  }
}

// Tell the allocator that a capture has begun or ended, if it has such functions (PyTorch 2.13 and newer).
template <typename Allocator>
void mark_capture_begin(Allocator& allocator, c10::DeviceIndex device) {
  if constexpr (requires { allocator.markCaptureBegin(device); }) allocator.markCaptureBegin(device);
}
template <typename Allocator>
void mark_capture_end(Allocator& allocator, c10::DeviceIndex device) {
  if constexpr (requires { allocator.markCaptureEnd(device); }) allocator.markCaptureEnd(device);
}

// Returns whether PyTorch has a process-wide setting for the number of SMs that libraries of matrix products leave
// alone.
template <typename Context>
constexpr bool has_sm_carveout() {
  return requires(Context& context) { context._setSMCarveout_EXPERIMENTAL(std::optional<std::int32_t>()); };
}

// The ways in which a random generator's state serves a capture.
enum class RandomCapture {
  none,         // no way that greenlane knows
  one_at_once,  // other threads fail if they draw numbers meanwhile (PyTorch 2.11)
  any_number,   // each capture has a state of its own (2.13 and newer)
};
template <typename State>
constexpr RandomCapture random_capture() {
  if (requires(State& state) {
        state.capture_states_mutex_;
        state.capture_states_.begin()->second->offset_intragraph_;
      })
    return RandomCapture::any_number;
  if (requires(State& state) {
        state.capturing_;
        state.registered_graphs_;
        state.seed_extragraph_;
      })
    return RandomCapture::one_at_once;
  return RandomCapture::none;
}

// A scope in which a capture's kernels read the seed and the offset of a generator from two words on the device. Each
// word is a tensor of one int64.
// Thread safety: as the generator, under whose mutex a scope begins and ends.
template <typename State, RandomCapture = random_capture<State>()>
class RandomCaptureScope {
 public:
  RandomCaptureScope(State& /*state*/, std::uint64_t /*capture*/, const at::TensorBase& /*seed*/,
                     const at::TensorBase& /*offset*/) {}
  // Ends the scope. Returns by how much the generator's offset grows in one run.
  std::uint64_t end() { return 0; }
};

template <typename State>
class RandomCaptureScope<State, RandomCapture::one_at_once> {
 public:
  // Throws: std::runtime_error if another capture draws numbers now.
  RandomCaptureScope(State& state, std::uint64_t /*capture*/, const at::TensorBase& seed, const at::TensorBase& offset)
      : state_(state) {
    if (state.capturing_) throw std::runtime_error("another capture draws random numbers now");
    seed_ = std::exchange(state.seed_extragraph_, seed);
    offset_ = std::exchange(state.offset_extragraph_, offset);
    state_.capturing_ = true;
    state_.offset_intragraph_ = 0;
  }
  std::uint64_t end() {
    state_.capturing_ = false;
    state_.seed_extragraph_ = seed_;
    state_.offset_extragraph_ = offset_;
    return std::exchange(state_.offset_intragraph_, 0);
  }

 private:
  State& state_;
  at::TensorBase seed_;  // the words of graphs of others
  at::TensorBase offset_;
};

template <typename State>
class RandomCaptureScope<State, RandomCapture::any_number> {
 public:
  RandomCaptureScope(State& state, std::uint64_t capture, const at::TensorBase& seed, const at::TensorBase& offset)
      : state_(state), capture_(capture), words_(c10::make_intrusive<Words>()) {
    words_->rng_state_seed_extragraph_ = seed;
    words_->rng_state_offset_extragraph_ = offset;
    const std::scoped_lock lock(state_.capture_states_mutex_);
    state_.capture_states_[capture_] = words_;
  }
  std::uint64_t end() {
    const std::scoped_lock lock(state_.capture_states_mutex_);
    state_.capture_states_.erase(capture_);
    return words_->offset_intragraph_;
  }

 private:
  using Pointer = decltype(State::capture_states_)::mapped_type;
  using Words = Pointer::element_type;
  State& state_;
  std::uint64_t capture_;
  Pointer words_;
};

}  // namespace greenlane::detail
