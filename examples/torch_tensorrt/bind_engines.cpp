// Binds each TensorRT engine of a package that Torch-TensorRT compiled (output_format="aot_inductor") to a lane of its
// own.
//
//   bind_engines libtorchtrt_runtime.so model.pt2 model.inputs.pt
//   bind_engines libtorchtrt_runtime.so model.pt2 model.inputs.pt --passthrough
//
// The first form needs PyTorch 2.13 or newer, which gives access to the engines inside a package. The second form does
// not: the engines follow the stream that is current when the package is called, here that of one lane for all of them.
// Against an installed greenlane, its whole CMakeLists.txt is:
//   find_package(greenlane REQUIRED)
//   add_executable(bind_engines bind_engines.cpp)
//   target_link_libraries(bind_engines PRIVATE greenlane::torch)
#include <greenlane/core/binding.hpp>
#include <greenlane/core/device.hpp>
#include <greenlane/core/error.hpp>
#include <greenlane/core/lane.hpp>
#include <greenlane/torch/aoti.hpp>
#include <greenlane/torch/tensor_io.hpp>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

// Binds each engine to a lane of its own. Lanes have equal sizes; the last one also gets what does not divide.
void bind_each(greenlane::AotiEngine& package) {
  const auto engines = package.inner_engines();
  if (engines.empty()) {
    std::printf("no engines inside that could be bound\n");
    return;
  }
  const auto& info = package.device().info();
  const int share = std::max(1, info.groups / static_cast<int>(engines.size())) * info.granularity.count;
  std::vector<greenlane::PartitionRequest> requests;
  for (const auto& engine : engines) {
    requests.push_back({.name = engine.key, .units = greenlane::UnitRequest(share)});
  }
  requests.back().units = greenlane::rest;
  const auto lanes = package.device().partition(requests);
  std::vector<std::pair<std::string, greenlane::Lane>> bindings;
  for (const auto& engine : engines) bindings.emplace_back(engine.key, lanes[engine.key]);
  package.bind_inner(bindings);
  for (const auto& engine : engines)
    std::printf("%s on %d units\n", engine.name.c_str(), lanes[engine.key].units().count);
}

// Runs all engines on the stream of one lane, which the call makes current.
void pass_through(greenlane::AotiEngine& package) {
  greenlane::set_engine_stream_passthrough(true);
  const auto lanes = package.device().partition({{"all", package.device().info().granularity.count}});
  package.bind(lanes["all"]);
  std::printf("all engines on %d units\n", lanes["all"].units().count);
}

}  // namespace

int main(int argc, char** argv) {
  const bool passthrough = argc == 5 && std::string_view(argv[4]) == "--passthrough";
  if (argc != 4 && !passthrough) {
    std::fprintf(stderr, "usage: bind_engines LIBRARY.so MODEL.pt2 MODEL.inputs.pt [--passthrough]\n");
    return 2;
  }
  try {
    greenlane::load_operator_library(argv[1]);
    const auto package = greenlane::load_aoti(argv[2]);
    const auto inputs = greenlane::to_device(greenlane::load_tensors(argv[3]), package->device().id());
    const auto expected = package->run(inputs);
    passthrough ? pass_through(*package) : bind_each(*package);
    const auto difference = greenlane::difference(package->run(inputs), expected);
    std::printf("outputs %s\n", difference.empty() ? "agree" : difference.c_str());
    return difference.empty() ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bind_engines: %s\n", error.what());
    return 1;
  }
}
