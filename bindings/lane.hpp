// torch.classes.greenlane.Lane, and the ways to make a lane.
#pragma once

#include <greenlane/core/lane.hpp>

#include <torch/custom_class.h>

#include <utility>

namespace greenlane::bindings {

struct LaneObject final : torch::CustomClassHolder {
  explicit LaneObject(Lane object) : lane(std::move(object)) {}
  Lane lane;
};
using LanePtr = c10::intrusive_ptr<LaneObject>;

void register_lane(torch::Library& library);

}  // namespace greenlane::bindings
