// Drives a simulated arm: robot_live robot_live.toml [--seconds 10] [--plan plan.json]
#include <greenlane/core/error.hpp>
#include <greenlane/runtime.hpp>
#include <greenlane/torch/tensor_io.hpp>

#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <mutex>
#include <thread>

namespace {

using namespace std::chrono_literals;
double ms(std::chrono::nanoseconds time) { return 1e-6 * static_cast<double>(time.count()); }

// Calls `act` with 0, 1 and so on, at most once in each period, on a thread that ends with the handle.
template <typename Act>
std::jthread repeat(std::chrono::nanoseconds period, Act act) {
  return std::jthread([period, act](const std::stop_token& over) {
    auto tick = std::chrono::steady_clock::now();
    for (std::size_t number = 0; !over.stop_requested(); ++number) {
      act(number);
      std::this_thread::sleep_until(tick = std::max(tick + period, std::chrono::steady_clock::now()));
    }
  });
}

void show(const greenlane::PipelineStats& stats) {
  for (const auto& path : stats.paths) {
    const auto& done = path.figures;
    std::printf("%-6s %7.2f ms (p50) %7.2f ms (p99), %lu of %lu late, %lu dropped\n", path.name.c_str(),
                ms(done.recent.p50), ms(done.recent.p99), done.misses, done.items, done.dropped);
  }
  for (const auto& engine : stats.engines) {
    const auto& done = engine.figures;
    std::printf("%-6s %5.1f Hz, data %6.2f ms old, %lu late, %lu failed\n", engine.name.c_str(), done.rate_hz,
                ms(done.ages.p50), done.misses, done.failed);
  }
}

}  // namespace

int main(int argc, char** argv) try {
  std::map<std::string, std::string> given{{"--seconds", "10"}, {"--plan", ""}};
  for (int i = 2; i + 1 < argc; i += 2) given[argv[i]] = argv[i + 1];
  const std::filesystem::path config = argc > 1 ? argv[1] : "robot_live.toml";
  const auto pictures = greenlane::load_tensors(config.parent_path() / "build" / "camera.items.pt");
  auto joints = greenlane::load_tensors(config.parent_path() / "build" / "policy.inputs.pt").at(1);
  std::mutex mutex;  // guards the joints
  auto pipeline = greenlane::Pipeline::open(config, {.plan = given["--plan"]});
  auto actions = pipeline.sink("policy");
  auto chunks = pipeline.sink("head");
  pipeline.start();
  const auto see =
      repeat(33'333us, [&](auto i) { pipeline.source("camera").publish({pictures[i % pictures.size()]}); });
  const auto feel = repeat(5ms, [&](auto) {
    const std::scoped_lock lock(mutex);
    pipeline.source("state").publish({joints});
  });
  // Follows each new action, and the newest chunk, which has an action for each 5 ms since its picture.
  const auto drive = repeat(0ms, [&](auto) {
    const auto result = actions.wait(500ms);
    if (!result) return;  // the arm stands still
    auto action = result->outputs[0].cpu();
    if (const auto chunk = chunks.latest(); chunk && chunk->age)
      action = (action + chunk->outputs[0][0][std::min<std::int64_t>(*chunk->age / 5ms, 63)].cpu()) / 2;
    const std::scoped_lock lock(mutex);
    joints = 0.95 * joints + 0.05 * action;
  });
  for (int left = std::stoi(given["--seconds"]); left > 0; --left) {
    std::this_thread::sleep_for(1s);
    show(pipeline.stats());
  }
} catch (const greenlane::Error& error) {
  return std::fprintf(stderr, "robot_live: %s\n", error.what()), 1;
}
