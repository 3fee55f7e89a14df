// The fixture of an engine with a binding, on two lanes of the first of two GPUs.
#pragma once

#include "support/fake_driver_test.hpp"

#include <memory>
#include <utility>

namespace greenlane::fake {

class BindingTest : public FakeDriverTest {
 protected:
  BindingTest() : FakeDriverTest({.gpus = {Gpu{}, Gpu{}}}) {}

  // Calls the engine once from `caller`. Returns the engine's work.
  static Work call(StreamBinding& binding, FakeDriver& fake, StreamView caller) {
    auto call = binding.enter(caller);
    const auto work = fake.mark(call.stream());
    call.finish();
    return work;
  }
  Work call(StreamView caller) { return call(binding_, fake_, caller); }

  // Binds the engine to a lane that adopts the stream.
  void set(StreamView stream, std::shared_ptr<const void> owner = {}) {
    binding_.set(Lane::adopt(device_, stream, {}, std::move(owner)));
  }

  Device device_ = gpu();
  Lane policy_ = Lane::create(device_.partition("policy", 8));
  Lane vision_ = Lane::create(device_.partition("vision", 48));
  StreamView caller_ = fake_.make_stream();
  StreamView other_caller_ = fake_.make_stream();
  StreamBinding binding_{device_, "engine"};
};

}  // namespace greenlane::fake
