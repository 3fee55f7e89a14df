// Green contexts: the driver's form of a partition.
#pragma once

#include "core/cuda/primary_context.hpp"
#include "core/device_state.hpp"

#include <memory>
#include <span>

namespace greenlane::detail {

// The SMs of a GPU, divided once into equal groups and, where the count does not divide, an odd one at the end.
struct SmSplit {
  std::vector<CUdevResource> groups;
  int group_units = 0;
  int remainder_units = 0;
  [[nodiscard]] int whole_groups() const noexcept {
    return static_cast<int>(groups.size()) - (remainder_units > 0 ? 1 : 0);
  }
};

// Divides the device in the finest way that keeps what clusters need together. Throws DriverError; makes no context.
[[nodiscard]] SmSplit split_sms(const driver::Table& driver, CUdevice device, int compute_capability);

// A union of groups of one split. Holds the primary context, so that it is destroyed first.
class GreenContext final : public UnitSet {
 public:
  // Throws DriverError.
  GreenContext(std::shared_ptr<PrimaryContext> primary, const SmSplit& split, std::span<const int> groups);
  ~GreenContext() override;

  [[nodiscard]] CUgreenCtx handle() const noexcept { return handle_; }
  [[nodiscard]] const std::vector<int>& groups() const noexcept { return groups_; }

 private:
  std::shared_ptr<PrimaryContext> primary_;
  std::vector<int> groups_;
  CUgreenCtx handle_ = nullptr;
};

}  // namespace greenlane::detail
