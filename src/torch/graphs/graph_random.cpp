#include "torch/graphs/graph_random.hpp"

#include "torch/probe.hpp"

#include <ATen/Context.h>
#include <ATen/Functions.h>
#include <ATen/core/grad_mode.h>
#include <ATen/cuda/CUDAGeneratorImpl.h>
#include <c10/core/InferenceMode.h>

#include <array>
#include <atomic>
#include <mutex>
#include <string_view>

namespace greenlane::detail {
namespace {

using State = at::CUDAGeneratorState;

// Generators keep their state private, and PyTorch registers it only with graphs of its own. An explicit instantiation
// may name private members.
struct StateMember {
  using type = c10::intrusive_ptr<State> at::CUDAGeneratorImpl::*;
  friend type member_of(StateMember);
};
template <typename Tag, Tag::type kMember>
struct Expose {
  friend Tag::type member_of(Tag /*tag*/) { return kMember; }
};
template struct Expose<StateMember, &at::CUDAGeneratorImpl::state_>;

std::atomic<int> allowing{0};

}  // namespace

at::Generator new_generator(c10::DeviceIndex device, std::uint64_t seed) {
  auto generator = at::globalContext().defaultGenerator(at::Device(at::kCUDA, device));
  {
    const std::scoped_lock lock(generator.mutex());
    generator = generator.clone();
  }
  generator.set_current_seed(seed);
  return generator;
}

GraphRandom::GraphRandom(c10::DeviceIndex device) : device_(device) {
  const c10::InferenceMode no_inference_mode(false);
  words_ = at::zeros({2}, at::TensorOptions().device(at::kCUDA, device).dtype(at::kLong));
  seed_ = words_.narrow(0, 0, 1);
  offset_ = words_.narrow(0, 1, 1);
}

bool GraphRandom::is_always_possible() { return random_capture<State>() == RandomCapture::any_number; }

bool GraphRandom::is_possible_now() {
  return is_always_possible() || (random_capture<State>() == RandomCapture::one_at_once && allowing.load() > 0);
}

void GraphRandom::capture(std::uint64_t capture_id, const std::function<void()>& work) {
  auto generator = at::globalContext().defaultGenerator(at::Device(at::kCUDA, device_));
  c10::intrusive_ptr<State> state;  // kept, because the program may exchange the generator's state meanwhile
  std::optional<RandomCaptureScope<State>> scope;
  {
    const std::scoped_lock lock(generator.mutex());
    state = static_cast<at::CUDAGeneratorImpl*>(generator.unsafeGetGeneratorImpl())->*member_of(StateMember());
    scope.emplace(*state, capture_id, seed_, offset_);
  }
  const auto end = [&] {
    const std::scoped_lock lock(generator.mutex());
    increment_ = scope->end();
  };
  try {
    work();
  } catch (...) {
    end();
    throw;
  }
  end();
}

void GraphRandom::draw(at::Generator generator) {
  if (increment_ == 0) return;
  if (!generator.defined()) generator = at::globalContext().defaultGenerator(at::Device(at::kCUDA, device_));
  std::uint64_t seed = 0;
  std::uint64_t offset = 0;
  {
    const std::scoped_lock lock(generator.mutex());
    seed = generator.current_seed();
    offset = generator.get_offset();
    generator.set_offset(offset + increment_);
  }
  const c10::InferenceMode no_inference_mode(false);
  const at::NoGradGuard no_grad;
  if (written_seed_ != seed) seed_.fill_(static_cast<std::int64_t>(seed));
  written_seed_ = seed;
  offset_.fill_(static_cast<std::int64_t>(offset));
}

RandomCapturesAllowed::RandomCapturesAllowed() { ++allowing; }
RandomCapturesAllowed::~RandomCapturesAllowed() { --allowing; }

bool is_of_unknown_generator(const std::exception& error) {
  static constexpr std::array<std::string_view, 3> kSigns{"CUDA generator not in capture mode",
                                                          "RNG op during graph capture", "Philox offset"};
  const std::string_view text = error.what();
  return std::ranges::any_of(kSigns, [&](std::string_view sign) { return text.find(sign) != std::string_view::npos; });
}

}  // namespace greenlane::detail
