#include <greenlane/core/hardware_queues.hpp>
#include <greenlane/detail/runtime/device_json.hpp>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

namespace greenlane::runtime {
namespace {

using nlohmann::json;

TEST(DeviceJson, OnlyAGpuHasAComputeCapability) {
  DeviceInfo gpu;
  gpu.id = {DeviceKind::cuda, 1};
  gpu.name = "H200";
  gpu.units = {132};
  gpu.granularity = {8};
  gpu.groups = 15;
  gpu.remainder = {12};
  gpu.compute_capability = 90;
  gpu.driver_version = 13000;
  const auto told = json::parse(device_json(gpu));
  EXPECT_EQ(told.at("id"), "cuda:1");
  EXPECT_EQ(told.at("unit"), "SM");
  EXPECT_EQ(told.at("units"), 132);
  EXPECT_EQ(told.at("compute_capability"), "9.0");
  EXPECT_EQ(told.at("partitions"), true);

  const auto cpu = json::parse(device_json(Device::open("cpu").info()));
  EXPECT_EQ(cpu.at("unit"), "core");
  EXPECT_FALSE(cpu.contains("compute_capability"));
}

TEST(DeviceJson, OnlyALocalGpuHasHardwareQueues) {
  DeviceInfo gpu;
  gpu.id = {DeviceKind::cuda, 1};
  EXPECT_EQ(json::parse(local_device_json(gpu)).at("hardware_queues"), hardware_queues(gpu.id).in_force);
  EXPECT_FALSE(json::parse(device_json(gpu)).contains("hardware_queues"))
      << "the hardware queues of this machine were reported for any GPU";
  EXPECT_FALSE(json::parse(local_device_json(Device::open("cpu").info())).contains("hardware_queues"));
}

TEST(DeviceJson, TheObstacleToPartitionsIsReported) {
  DeviceInfo gpu;
  gpu.partition_obstacle = "the driver is too old";
  const auto told = json::parse(device_json(gpu));
  EXPECT_EQ(told.at("partitions"), false);
  EXPECT_EQ(told.at("partition_obstacle"), "the driver is too old");
}

}  // namespace
}  // namespace greenlane::runtime
