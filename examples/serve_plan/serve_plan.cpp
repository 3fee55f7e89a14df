// Serves requests from a pipeline and its plan.
//
//   serve_plan robot.toml plan.json robot/policy.inputs.pt
//
// Against an installed greenlane, its whole CMakeLists.txt is:
//   find_package(greenlane REQUIRED)
//   add_executable(serve_plan serve_plan.cpp)
//   target_link_libraries(serve_plan PRIVATE greenlane::runtime)
#include <greenlane/runtime.hpp>
#include <greenlane/torch/tensor_io.hpp>

#include <cstdio>

int main(int argc, char** argv) {
  if (argc != 4) return std::fprintf(stderr, "usage: serve_plan PIPELINE.toml PLAN.json INPUTS.pt\n"), 2;
  const auto pipeline = greenlane::Pipeline::open(argv[1], {.plan = argv[2]});
  auto policy = pipeline["policy"];
  const auto observation = greenlane::to_device(greenlane::load_tensors(argv[3]), policy.lane().device().id());
  for (int i = 0; i < 100; ++i) {
    const auto action = policy.call(observation);                    // now, joined with the caller's stream
    auto run = policy.submit(observation, {.drop_if_late = false});  // on the engine's own thread
    (void)run.outputs();
  }
  for (const auto& engine : pipeline.stats().engines) {
    std::printf("%-8s %s: %llu runs, p99 %.0f us\n", engine.name.c_str(), engine.lane.c_str(),
                static_cast<unsigned long long>(engine.figures.runs),
                1e-3 * static_cast<double>(engine.figures.whole.p99.count()));
  }
}
