// Green contexts: the driver's form of a partition.
#pragma once

#include "core/cuda/primary_context.hpp"
#include "core/device_state.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace greenlane::detail {

// The SMs of a GPU, divided once into equal groups and, if the count is not a multiple, an odd group at the end.
struct SmSplit {
  std::vector<CUdevResource> groups;
  int group_units = 0;
  int remainder_units = 0;
  [[nodiscard]] int whole_groups() const noexcept {
    return static_cast<int>(groups.size()) - (remainder_units > 0 ? 1 : 0);
  }
};

// Divides the device into the smallest groups that keep clusters whole. Makes no context.
// Throws: DriverError.
[[nodiscard]] SmSplit split_sms(const driver::Table& driver, CUdevice device, int compute_capability);

// Returns the driver's number of a green context, which no later one gets; nothing if the query fails.
[[nodiscard]] std::optional<std::uint64_t> green_context_id(const driver::Table& driver, CUgreenCtx green);

// A union of groups of one split, or a foreign green context. Holds the primary context, so that it is destroyed first.
class GreenContext final : public UnitSet {
 public:
  // Throws: DriverError.
  GreenContext(std::shared_ptr<PrimaryContext> primary, const SmSplit& split, std::span<const int> groups);
  // Wraps a foreign green context, which its maker destroys.
  GreenContext(std::shared_ptr<PrimaryContext> primary, CUgreenCtx foreign);
  ~GreenContext() override;

  [[nodiscard]] CUgreenCtx handle() const noexcept { return handle_; }
  // Empty for a foreign one.
  [[nodiscard]] const std::vector<int>& groups() const noexcept { return groups_; }
  // Returns the driver's SM count; nothing if the driver does not report it.
  [[nodiscard]] std::optional<Units> units() const;

 private:
  std::shared_ptr<PrimaryContext> primary_;
  std::vector<int> groups_;
  CUgreenCtx handle_ = nullptr;
  bool foreign_ = false;
};

}  // namespace greenlane::detail
