// torch.classes.greenlane.Lane, and StreamOwner: the ways to make a lane.
#pragma once

#include <greenlane/core/lane.hpp>

#include <torch/custom_class.h>

#include <cstdint>
#include <utility>

namespace greenlane::bindings {

struct LaneObject final : torch::CustomClassHolder {
  explicit LaneObject(Lane object) : lane(std::move(object)) {}
  Lane lane;
};
using LanePtr = c10::intrusive_ptr<LaneObject>;

// The owner of a stream, which lives in Python under a key. Any thread calls `release(key)` when nobody needs the
// stream any more; after the end of Python nobody does.
struct StreamOwnerObject final : torch::CustomClassHolder {
  StreamOwnerObject(std::int64_t key_, std::int64_t release_) : key(key_), release(release_) {}
  ~StreamOwnerObject() override;
  StreamOwnerObject(const StreamOwnerObject&) = delete;
  StreamOwnerObject& operator=(const StreamOwnerObject&) = delete;
  std::int64_t key;
  std::int64_t release;  // the address of a C function
};

void register_lane(torch::Library& library);

}  // namespace greenlane::bindings
