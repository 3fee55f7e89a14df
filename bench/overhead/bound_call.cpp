// Measures how much more a call through greenlane costs the calling thread than AOTIModelPackageLoader::run on the same
// stream.
//
//   bound_call PACKAGE.pt2 INPUTS.pt [CALLS]     prints JSON
//
// Variants take turns in short blocks, so that clocks and neighbours change for all of them alike. The program waits
// for the device between blocks, outside the measured time. A figure is the median over the blocks of a block's mean.
// Times are those of enqueueing: the GPU's work is the same in all variants and is not measured.
//
// "By hand" is what a careful caller would write without greenlane to run on one stream and be called from another: the
// floor for a bound call whose streams differ.
#include <greenlane/core/device.hpp>
#include <greenlane/core/error.hpp>
#include <greenlane/core/lane.hpp>
#include <greenlane/detail/torch/versions.hpp>
#include <greenlane/torch/aoti.hpp>
#include <greenlane/torch/tensor_io.hpp>

#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAGuard.h>
#include <nlohmann/json.hpp>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
constexpr int kBlock = 20;  // calls enqueued without waiting: few enough that the launch queue never fills

struct Variant {
  std::string name;
  std::function<void()> call;
  std::vector<double> blocks_us{};  // mean of each block
};

double median(std::vector<double> values) {
  std::ranges::nth_element(values, values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2));
  return values[values.size() / 2];
}

void measure(std::vector<Variant>& variants, int calls, const greenlane::Lane& lane) {
  constexpr int kWarmUpBlocks = 20;
  const int blocks = calls / kBlock;
  for (int block = -kWarmUpBlocks; block < blocks; ++block) {
    for (auto& variant : variants) {
      const auto start = Clock::now();
      for (int i = 0; i < kBlock; ++i) variant.call();
      const std::chrono::duration<double, std::micro> time = Clock::now() - start;
      lane.synchronize();
      if (block >= 0) variant.blocks_us.push_back(time.count() / kBlock);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: bound_call PACKAGE.pt2 INPUTS.pt [CALLS]\n");
    return 2;
  }
  const int calls = argc > 3 ? std::stoi(argv[3]) : 20'000;
  try {
    const auto device = greenlane::Device::open("cuda:0");
    const auto lanes = device.partition({{"lane", 32}, {"other", greenlane::rest}});
    const auto& lane = lanes["lane"];
    const auto inputs = greenlane::to_device(greenlane::load_tensors(argv[2]), device.id());
    const auto bound = greenlane::load_aoti(argv[1], {.lane = lane});
    const auto unbound = greenlane::load_aoti(argv[1]);
    torch::inductor::AOTIModelPackageLoader stock(argv[1]);

    const auto stream = c10::cuda::getStreamFromExternal(lane.stream().handle(), 0);
    const auto on_lane = [&](auto call) {
      return [&, call] {
        const c10::cuda::CUDAStreamGuard guard(stream);
        call();
      };
    };
    // The caller stream is the lane's, or another one (a plain stream of PyTorch's).
    const auto caller = c10::cuda::getStreamFromPool();
    const c10::cuda::CUDAStreamGuard guard(caller);
    std::vector<Variant> variants;
    variants.push_back({"stock on the lane's stream", on_lane([&] { stock.run(inputs, stream.stream()); })});
    variants.push_back({"bound, caller on the same stream", on_lane([&] { (void)bound->run(inputs); })});
    variants.push_back({"bound, caller on another stream", [&] { (void)bound->run(inputs); }});
    variants.push_back({"unbound", on_lane([&] { (void)unbound->run(inputs); })});
    variants.push_back({"stock again", on_lane([&] { stock.run(inputs, stream.stream()); })});
    cudaEvent_t fork{};
    cudaEvent_t join{};
    C10_CUDA_CHECK(cudaEventCreateWithFlags(&fork, cudaEventDisableTiming));
    C10_CUDA_CHECK(cudaEventCreateWithFlags(&join, cudaEventDisableTiming));
    const auto by_hand = [&](bool keep_memory) {
      C10_CUDA_CHECK(cudaEventRecord(fork, caller.stream()));
      C10_CUDA_CHECK(cudaStreamWaitEvent(stream.stream(), fork, 0));
      const c10::cuda::CUDAStreamGuard on_stream(stream);
      const auto outputs = stock.run(inputs, stream.stream());
      if (keep_memory) {
        for (const auto& tensor : inputs)
          c10::cuda::CUDACachingAllocator::recordStream(tensor.storage().data_ptr(), stream);
        for (const auto& tensor : outputs)
          c10::cuda::CUDACachingAllocator::recordStream(tensor.storage().data_ptr(), caller);
      }
      C10_CUDA_CHECK(cudaEventRecord(join, stream.stream()));
      C10_CUDA_CHECK(cudaStreamWaitEvent(caller.stream(), join, 0));
    };
    variants.push_back({"by hand: events", [&] { by_hand(false); }});
    variants.push_back({"by hand: events and records", [&] { by_hand(true); }});
    measure(variants, calls, lane);

    const double base = median(variants.front().blocks_us);
    nlohmann::ordered_json json{{"calls", calls},
                                {"device", device.info().name},
                                {"torch", std::string(greenlane::torch_version())},
                                {"driver", device.info().driver_version},
                                {"package", argv[1]}};
    for (const auto& variant : variants) {
      const double us = median(variant.blocks_us);
      json["variants"].push_back(
          {{"name", variant.name}, {"us_per_call", us}, {"more_than_stock_us", us - base}, {"ratio", us / base}});
    }
    std::printf("%s\n", json.dump(2).c_str());
  } catch (const greenlane::Error& error) {
    std::fprintf(stderr, "bound_call: %s\n", error.what());
    return 1;
  }
  return 0;
}
