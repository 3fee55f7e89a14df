// Two engines on two lanes of one device, in a program of your own.
//
//   embed cpu policy.pt2 policy.inputs.pt vision.pt2 vision.inputs.pt
//
// Against an installed greenlane, its whole CMakeLists.txt is:
//   find_package(greenlane REQUIRED)
//   add_executable(embed embed.cpp)
//   target_link_libraries(embed PRIVATE greenlane::torch)
#include <greenlane/core/device.hpp>
#include <greenlane/core/error.hpp>
#include <greenlane/core/lane.hpp>
#include <greenlane/torch/aoti.hpp>
#include <greenlane/torch/tensor_io.hpp>

#include <chrono>
#include <cstdio>
#include <exception>
#include <future>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

// Calls an engine for two seconds. Each call joins this thread's current stream by itself. Reading a result would wait
// for the call, as the lane's synchronize() does.
void serve(greenlane::AotiEngine& engine, const greenlane::Lane& lane, const std::vector<at::Tensor>& inputs) {
  int calls = 0;
  const auto end = Clock::now() + std::chrono::seconds(2);
  for (; Clock::now() < end; ++calls) {
    const auto outputs = engine.run(inputs);
    lane.synchronize();
  }
  std::printf("%-8s %3d units, %d calls a second\n", lane.name().c_str(), lane.units().count, calls / 2);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fprintf(stderr, "usage: embed DEVICE FIRST.pt2 FIRST.inputs.pt SECOND.pt2 SECOND.inputs.pt\n");
    return 2;
  }
  try {
    const auto device = greenlane::Device::open(argv[1]);
    const int groups = device.info().groups;
    const auto lanes =
        device.partition({{"first", groups / 2 * device.info().granularity.count}, {"second", greenlane::rest}});
    const auto first = greenlane::load_aoti(argv[2], {.lane = lanes["first"]});
    const auto second = greenlane::load_aoti(argv[4], {.lane = lanes["second"]});
    const auto first_inputs = greenlane::to_device(greenlane::load_tensors(argv[3]), device.id());
    const auto second_inputs = greenlane::to_device(greenlane::load_tensors(argv[5]), device.id());

    auto other = std::async(std::launch::async, [&] { serve(*second, lanes["second"], second_inputs); });
    serve(*first, lanes["first"], first_inputs);
    other.get();  // throws what the other thread threw
  } catch (const greenlane::Error& error) {
    std::fprintf(stderr, "embed: %s\n", error.what());
    return 1;
  }
  return 0;
}
