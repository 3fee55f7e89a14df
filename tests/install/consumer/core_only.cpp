#include <greenlane/core/device.hpp>
#include <greenlane/core/error.hpp>
#include <greenlane/core/lane.hpp>
#include <greenlane/version.hpp>

#include <cstdio>

int main() {
  const auto lanes = greenlane::Device::open("cpu").partition({{"one", 1}});
  int answer = 0;
  lanes["one"].run([&] { answer = 42; });
  try {
    (void)greenlane::Device::open("cuda:99");
  } catch (const greenlane::DeviceError&) {
    std::printf("greenlane %s: %d\n", greenlane::kVersion, answer);
    return 0;
  }
  return 1;
}
