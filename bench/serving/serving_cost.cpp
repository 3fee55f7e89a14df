// Measures what a live pipeline adds to an engine.
//
//   serving_cost PIPELINE.toml ENGINE [CALLS]     prints JSON
//
// `call` against AotiEngine::run: both engines are the same package on the same lane, take turns in short blocks, and
// their figures are medians over the blocks of a block's mean, for the calling thread. `submit`: requests that come one
// at a time, to an idle engine thread, with several pauses; the wait from entering submit() to the start of the run,
// and the latency to the end of the work on the device. `stats`: the time of one call of stats().
#include <greenlane/core/device.hpp>
#include <greenlane/core/error.hpp>
#include <greenlane/detail/runtime/config.hpp>
#include <greenlane/detail/torch/versions.hpp>
#include <greenlane/runtime/pipeline.hpp>
#include <greenlane/torch/aoti.hpp>
#include <greenlane/torch/tensor_io.hpp>

#include <ATen/ops/empty_like.h>
#include <c10/core/Event.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;
constexpr int kBlock = 20;  // calls enqueued without waiting: few enough that the launch queue never fills

double median(std::vector<double> values) {
  std::ranges::nth_element(values, values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2));
  return values[values.size() / 2];
}

double microseconds(Clock::duration time) { return std::chrono::duration<double, std::micro>(time).count(); }

Json quantiles(std::vector<double> values) {
  std::ranges::sort(values);
  const auto at = [&](double q) {
    return values[static_cast<std::size_t>(q * static_cast<double>(values.size() - 1))];
  };
  return {{"p50", at(0.5)}, {"p90", at(0.9)}, {"p99", at(0.99)}, {"max", values.back()}};
}

// Returns the medians, in the order of the variants.
std::vector<double> in_turn(const std::vector<std::function<void()>>& variants, int calls,
                            const greenlane::Lane& lane) {
  constexpr int kWarmUpBlocks = 20;
  std::vector<std::vector<double>> blocks(variants.size());
  for (int block = -kWarmUpBlocks; block < calls / kBlock; ++block) {
    for (std::size_t i = 0; i < variants.size(); ++i) {
      const auto start = Clock::now();
      for (int call = 0; call < kBlock; ++call) variants[i]();
      const auto time = Clock::now() - start;
      if (lane.device().id().kind == greenlane::DeviceKind::cuda) lane.synchronize();
      if (block >= 0) blocks[i].push_back(microseconds(time) / kBlock);
    }
  }
  std::vector<double> medians;
  for (auto& each : blocks) medians.push_back(median(std::move(each)));
  return medians;
}

// Waits for a time. `sleeps`: the caller sleeps, so that its core is cold; otherwise it spins.
void pause(Clock::duration time, bool sleeps) {
  const auto until = Clock::now() + time;
  if (sleeps) std::this_thread::sleep_until(until);
  while (Clock::now() < until) continue;
}

// Submits requests one at a time, and waits for each. Between two of them, makes a copy of the inputs and an event by
// hand, which is the least that a request needs on the caller's stream.
Json requests(const greenlane::Pipeline& pipeline, const std::string& name, const std::vector<at::Tensor>& inputs,
              Clock::duration period, bool sleeps) {
  auto engine = pipeline[name];
  const bool on_gpu = inputs.front().is_cuda();
  std::vector<double> by_hand;
  std::vector<double> entered;
  std::vector<double> latencies;
  std::vector<double> waits;
  std::vector<at::Tensor> copies;
  for (const auto& input : inputs) copies.push_back(at::empty_like(input));
  c10::Event copied(on_gpu ? c10::DeviceType::CUDA : c10::DeviceType::CPU);
  for (int i = 0; i < 200; ++i) {
    pause(period / 2, sleeps);
    if (on_gpu) {
      const auto stream = c10::cuda::getCurrentCUDAStream();
      const auto start = Clock::now();
      for (std::size_t at = 0; at < inputs.size(); ++at) {
        C10_CUDA_CHECK(cudaMemcpyAsync(copies[at].mutable_data_ptr(), inputs[at].const_data_ptr(), inputs[at].nbytes(),
                                       cudaMemcpyDeviceToDevice, stream));
      }
      copied.record(stream);
      by_hand.push_back(microseconds(Clock::now() - start));
      stream.synchronize();
    }
    pause(period / 2, sleeps);
    const auto start = Clock::now();
    auto run = engine.submit(inputs, {.drop_if_late = false});
    entered.push_back(microseconds(Clock::now() - start));
    (void)run.outputs();
    waits.push_back(microseconds(run.waited()));
    latencies.push_back(microseconds(run.latency()));
  }
  Json json{{"caller", sleeps ? "sleeps between requests" : "spins between requests"},
            {"pause_us", microseconds(period)},
            {"returns_after_us", quantiles(entered)},
            {"wait_until_start_us", quantiles(waits)},
            {"latency_us", quantiles(latencies)}};
  if (on_gpu) json["copy_and_event_by_hand_us"] = quantiles(by_hand);
  return json;
}

Json measure(const std::string& file, const std::string& name, int calls) {
  const auto config = greenlane::runtime::load_config(file);
  const auto& known = *std::ranges::find(config.engines, name, &greenlane::runtime::EngineConfig::name);
  const auto pipeline = greenlane::Pipeline::open(file);
  auto engine = pipeline[name];
  const auto lane = engine.lane();
  const auto device = lane.device();
  const bool on_gpu = device.id().kind == greenlane::DeviceKind::cuda;
  const auto inputs = greenlane::to_device(greenlane::load_tensors(known.inputs), device.id());
  const auto alone = greenlane::load_aoti(
      known.model, {.lane = lane, .graphs = on_gpu ? greenlane::Graphs::resident : greenlane::Graphs::off});
  for (int i = 0; i < 5; ++i) (void)alone->run(inputs);

  const auto cost = in_turn(
      {[&] { (void)alone->run(inputs); }, [&] { (void)engine.call(inputs); }, [&] { (void)alone->run(inputs); }}, calls,
      lane);
  Json json{{"device", device.info().name},
            {"torch", std::string(greenlane::torch_version())},
            {"engine", name},
            {"calls", calls},
            {"run_us", cost[0]},
            {"call_us", cost[1]},
            {"run_again_us", cost[2]},
            {"call_more_than_run_us", cost[1] - cost[0]}};

  json["submit"] = Json::array();
  for (const auto& [pause_us, sleeps] : std::vector<std::pair<int, bool>>{
           {0, false}, {500, false}, {2000, false}, {20'000, false}, {500, true}, {2000, true}, {20'000, true}}) {
    json["submit"].push_back(requests(pipeline, name, inputs, std::chrono::microseconds(pause_us), sleeps));
  }
  std::vector<double> asked;
  for (int i = 0; i < 1000; ++i) {
    const auto start = Clock::now();
    (void)pipeline.stats();
    asked.push_back(microseconds(Clock::now() - start));
  }
  json["stats"] = {{"engines", pipeline.engines().size()}, {"us", median(std::move(asked))}};
  return json;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: serving_cost PIPELINE.toml ENGINE [CALLS]\n");
    return 2;
  }
  try {
    std::printf("%s\n", measure(argv[1], argv[2], argc > 3 ? std::stoi(argv[3]) : 10'000).dump(2).c_str());
  } catch (const greenlane::Error& error) {
    std::fprintf(stderr, "serving_cost: %s\n", error.what());
    return 1;
  }
  return 0;
}
