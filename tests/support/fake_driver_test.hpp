// The fixture of all tests on the fake driver.
#pragma once

#include "core/device_state.hpp"
#include "support/fake_driver.hpp"

#include <greenlane/core/binding.hpp>
#include <greenlane/core/error.hpp>
#include <greenlane/core/lane.hpp>
#include <greenlane/core/log.hpp>

#include <gtest/gtest.h>

#include <mutex>

namespace greenlane::fake {

// Collects warnings during its lifetime.
class Warnings {
 public:
  Warnings()
      : former_(set_warning_sink([this](const std::string& text) {
          const std::scoped_lock lock(mutex_);
          texts_.push_back(text);
        })) {}
  ~Warnings() { set_warning_sink(std::move(former_)); }
  Warnings(const Warnings&) = delete;
  Warnings& operator=(const Warnings&) = delete;

  [[nodiscard]] std::vector<std::string> texts() const {
    const std::scoped_lock lock(mutex_);
    return texts_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> texts_;
  std::function<void(const std::string&)> former_;
};

// Checks at the end that nothing was misused and that nothing is left. The destructor does it, because the fixtures of
// the tests have members that hold lanes. These are destroyed before it and after TearDown().
class FakeDriverTest : public ::testing::Test {
 protected:
  explicit FakeDriverTest(Config config = {}) : fake_(std::move(config)), table_(&fake_.table()) {
    detail::forget_devices();
  }
  ~FakeDriverTest() override {
    detail::forget_devices();
    EXPECT_EQ(fake_.live(), Live{});
    EXPECT_EQ(fake_.violations(), std::vector<std::string>{});
    EXPECT_EQ(fake_.current_contexts(), 0);
  }

  // Replaces the fixture's driver. Must be called before anything is opened.
  void use(Config config) { fake_.configure(std::move(config)); }

  static Device gpu(int index = 0) { return Device::open(DeviceId{DeviceKind::cuda, index}); }

  FakeDriver fake_;  // NOLINT(misc-non-private-member-variables-in-classes): the tests are about it
  Warnings warnings_;

 private:
  driver::ScopedTable table_;
};

}  // namespace greenlane::fake
