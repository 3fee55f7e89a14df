#include "runtime/plan/planned_device.hpp"

#include "support/matchers.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/core/log.hpp>

#include <gmock/gmock.h>

namespace greenlane::runtime {
namespace {

class PlannedDeviceTest : public ::testing::Test {
 protected:
  PlannedDeviceTest() {
    device_.name = "a CPU of ours";
    device_.id = {DeviceKind::cpu, 0};
    device_.units = {2};
    config_.planned_for =
        PlannedDevice{.plan = "plan.json", .kind = DeviceKind::cpu, .name = device_.name, .units = {{2}}};
    former_ = set_warning_sink([this](const std::string& text) { warnings_.push_back(text); });
  }
  ~PlannedDeviceTest() override { set_warning_sink(former_); }
  template <class... Parts>
  void expect_refused(Parts... parts) {
    EXPECT_THAT([&] { require_planned_device(config_, device_); },
                refuses<ConfigError>("plan.json is no plan for this device", "a CPU of ours with 2 cores",
                                     "--plan-of-another-device", parts...));
  }
  PipelineConfig config_;
  DeviceInfo device_;
  std::vector<std::string> warnings_;
  std::function<void(const std::string&)> former_;
};

TEST_F(PlannedDeviceTest, APlanForThisDeviceIsAccepted) {
  EXPECT_NO_THROW(require_planned_device(config_, device_));
  EXPECT_THAT(warnings_, ::testing::IsEmpty());
}

TEST_F(PlannedDeviceTest, APlanForAnotherDeviceIsRefused) {
  config_.planned_for->units = {4};
  expect_refused("with 4 cores");
  config_.planned_for->units = {2};
  config_.planned_for->name = "another CPU";
  expect_refused("another CPU with 2 cores");
  *config_.planned_for = {.plan = "plan.json", .kind = DeviceKind::cuda};
  expect_refused("it is for a GPU");
}

TEST_F(PlannedDeviceTest, MissingDeviceFieldsAreAccepted) {
  *config_.planned_for = {.plan = "plan.json"};
  EXPECT_NO_THROW(require_planned_device(config_, device_));
  config_.planned_for.reset();
  EXPECT_NO_THROW(require_planned_device(config_, device_));
}

TEST_F(PlannedDeviceTest, AnotherPyTorchGivesAWarning) {
  config_.planned_for->torch = "1.0.0";
  EXPECT_NO_THROW(require_planned_device(config_, device_));
  EXPECT_THAT(warnings_, ::testing::ElementsAre(::testing::AllOf(::testing::HasSubstr("plan.json"),
                                                                 ::testing::HasSubstr("PyTorch 1.0.0"))));
}

}  // namespace
}  // namespace greenlane::runtime
