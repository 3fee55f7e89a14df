// Measures what edges cost, beside the same by hand.
//
//   edge_cost FOLDER [ITEMS [publish]]     prints JSON, of `publish` alone or of all
//
// FOLDER: what examples/robot_live/export_live.py and export_picture.py made for a GPU.
//
// `publish`: one call with a pinned picture of 600 kB, one with a pageable one, and the least by hand: a copy and an
// event.
// `path`: a picture from publish() to the end of the policy on the device, through vision; by hand: the same copy, the
// same packages on the same lanes, and events between them, all from one thread, which sleeps until there is a picture,
// or spins. All take turns, item by item, at the rate that the source declares. `consumer`: a policy with a timer of
// 500 Hz, alone, beside vision on a lane of its own, and on vision's outputs.
#include <greenlane/core/device.hpp>
#include <greenlane/core/error.hpp>
#include <greenlane/detail/torch/versions.hpp>
#include <greenlane/runtime/pipeline.hpp>
#include <greenlane/torch/aoti.hpp>
#include <greenlane/torch/tensor_io.hpp>

#include <ATen/Functions.h>
#include <c10/core/Event.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;
using Tensors = std::vector<at::Tensor>;
namespace fs = std::filesystem;

double microseconds(Clock::duration time) { return std::chrono::duration<double, std::micro>(time).count(); }

Json quantiles(std::vector<double> values) {
  std::ranges::sort(values);
  const auto at = [&](double q) {
    return values[static_cast<std::size_t>(q * static_cast<double>(values.size() - 1))];
  };
  return {{"p50", at(0.5)}, {"p90", at(0.9)}, {"p99", at(0.99)}, {"max", values.back()}};
}

void spin_until(Clock::time_point until) {
  while (Clock::now() < until) continue;
}

std::string engine(const fs::path& folder, const std::string& name, const std::string& keys) {
  return "[engine." + name + "]\nmodel = '" + (folder / (name + ".pt2")).string() + "'\ninputs = '" +
         (folder / (name + ".inputs.pt")).string() + "'\n" + keys + "\n";
}

std::string sources(double camera_hz = 30) {
  return "device = 'cuda:0'\n[source.camera]\nrate_hz = " + std::to_string(camera_hz) +
         "\n[source.state]\nrate_hz = 200\n";
}
const std::string kLanes = "[lane.vision]\nunits = 64\n[lane.policy]\nunits = 32\n";
const std::string kFeedback = "{ output = 'policy', initial = 'zeros' }";

greenlane::Pipeline open(const std::string& text) {
  const auto file = fs::temp_directory_path() / "edge_cost.toml";
  std::ofstream(file) << text;
  return greenlane::Pipeline::open(file);
}

Tensors pinned(const Tensors& tensors) {
  Tensors copies;
  for (const auto& tensor : tensors) copies.push_back(tensor.pin_memory());
  return copies;
}

// Returns the times of a copy to the device and an event, with the same pauses as between the calls of publish().
Json copy_by_hand(const at::Tensor& picture, int items) {
  const auto copy = at::empty_like(picture, at::TensorOptions(at::kCUDA));
  c10::Event copied(c10::DeviceType::CUDA);
  const auto stream = c10::cuda::getStreamFromPool();
  std::vector<double> times;
  for (int i = -20; i < items; ++i) {
    spin_until(Clock::now() + std::chrono::microseconds(500));
    const auto start = Clock::now();
    C10_CUDA_CHECK(cudaMemcpyAsync(copy.mutable_data_ptr(), picture.const_data_ptr(), picture.nbytes(),
                                   cudaMemcpyHostToDevice, stream));
    copied.record(stream);
    if (i >= 0) times.push_back(microseconds(Clock::now() - start));
    stream.synchronize();
  }
  return quantiles(std::move(times));
}

Json publish_cost(const fs::path& folder, int items) {
  const auto picture = greenlane::load_tensors((folder / "picture.inputs.pt").string());
  const auto pipeline = open("device = 'cuda:0'\n[source.camera]\nrate_hz = 30\n" +
                             engine(folder, "picture", "from = 'camera'\non = []") + "[lane.picture]\nunits = 32\n");
  auto source = pipeline.source("camera");
  Json json{{"bytes", picture.front().nbytes()}};
  for (const auto& [name, item] : {std::pair{"pinned_us", pinned(picture)}, std::pair{"pageable_us", picture}}) {
    std::vector<double> times;
    for (int i = -20; i < items; ++i) {
      spin_until(Clock::now() + std::chrono::microseconds(500));
      const auto start = Clock::now();
      const auto published = source.publish(item);
      if (i >= 0) times.push_back(microseconds(Clock::now() - start));
      published.wait_until_copied();
    }
    json[name] = quantiles(std::move(times));
  }
  json["by_hand_us"] = copy_by_hand(pinned(picture).front(), items);
  return json;
}

// The chain by hand, on the lanes of a pipeline.
class ByHand {
 public:
  ByHand(const fs::path& folder, const greenlane::Pipeline& pipeline)
      : vision_(load(folder, pipeline, "vision")), policy_(load(folder, pipeline, "policy")) {}

  // Returns the latency of one picture since a time.
  Clock::duration run(const at::Tensor& picture, const Tensors& others, Clock::time_point since) {
    Tensors actions;
    {
      const c10::cuda::CUDAStreamGuard guard(vision_.stream);
      auto features =
          vision_.engine->run({picture.to(at::kCUDA, /*non_blocking=*/true)}, greenlane::GraphOutputs::copies);
      seen_.record(vision_.stream);
      const c10::cuda::CUDAStreamGuard then(policy_.stream);
      seen_.block(policy_.stream);
      actions = policy_.engine->run({features.front(), others[0], others[1]}, greenlane::GraphOutputs::copies);
      done_.record(policy_.stream);
    }
    done_.synchronize();
    return Clock::now() - since;
  }

 private:
  struct Part {
    std::shared_ptr<greenlane::AotiEngine> engine;
    c10::cuda::CUDAStream stream;
  };
  static Part load(const fs::path& folder, const greenlane::Pipeline& pipeline, const std::string& name) {
    const auto lane = pipeline[name].lane();
    auto engine = greenlane::load_aoti((folder / (name + ".pt2")).string(),
                                       {.lane = lane, .graphs = greenlane::Graphs::resident});
    return {std::move(engine), c10::cuda::getStreamFromExternal(lane.stream().handle(), 0)};
  }
  Part vision_;
  Part policy_;
  c10::Event seen_{c10::DeviceType::CUDA};
  c10::Event done_{c10::DeviceType::CUDA};
};

// A thread that sleeps until there is work.
class Sleeper {
 public:
  using Work = std::function<Clock::duration(Clock::time_point since)>;
  Sleeper()
      : thread_([this] {
          std::unique_lock lock(mutex_);
          while (true) {
            changed_.wait(lock, [&] { return work_ || is_over_; });
            if (is_over_) return;
            result_ = work_(since_);
            work_ = {};
            is_done_ = true;
          }
        }) {}
  ~Sleeper() {
    {
      const std::scoped_lock lock(mutex_);
      is_over_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }
  Sleeper(const Sleeper&) = delete;
  Sleeper& operator=(const Sleeper&) = delete;

  // Spins until the work is done.
  Clock::duration run(Work work) {
    {
      const std::scoped_lock lock(mutex_);
      work_ = std::move(work);
      is_done_ = false;
      since_ = Clock::now();
    }
    changed_.notify_one();
    while (!is_done_) continue;
    const std::scoped_lock lock(mutex_);
    return result_;
  }

 private:
  std::mutex mutex_;  // guards the following members
  std::condition_variable changed_;
  Work work_;
  Clock::time_point since_;
  Clock::duration result_{0};
  std::atomic<bool> is_done_{false};
  bool is_over_ = false;
  std::thread thread_;
};

Json path_cost(const fs::path& folder, int items, Clock::duration period) {
  auto pipeline =
      open(sources(1e6 / microseconds(period)) + engine(folder, "vision", "from = 'camera'\non = 'camera'") +
           engine(folder, "policy", "from = ['vision', 'state', " + kFeedback + "]\non = 'vision'") + kLanes +
           "[path.act]\nfrom = 'camera'\nto = 'policy'\n");
  const auto picture = greenlane::load_tensors((folder / "vision.inputs.pt").string()).front().pin_memory();
  const auto recorded = greenlane::load_tensors((folder / "policy.inputs.pt").string());
  const Tensors others = greenlane::to_device({recorded[1], recorded[2]}, greenlane::DeviceId::parse("cuda"));
  ByHand by_hand(folder, pipeline);
  auto source = pipeline.source("camera");
  auto sink = pipeline.sink("policy");
  pipeline.source("state").publish({recorded[1]});
  pipeline.start();
  Sleeper sleeper;
  std::vector<double> asleep;
  std::vector<double> spinning;
  const auto begin = Clock::now() + period;
  for (int i = -30; i < items; ++i) {
    const auto start = begin + (i + 30) * period;
    spin_until(start);
    source.publish({picture});
    if (!sink.wait(std::chrono::seconds(5))) throw std::runtime_error("no result came");
    spin_until(start + period / 3);
    const auto slept = sleeper.run([&](Clock::time_point since) { return by_hand.run(picture, others, since); });
    spin_until(start + 2 * period / 3);
    const auto spun = by_hand.run(picture, others, Clock::now());
    if (i < 0) continue;
    asleep.push_back(microseconds(slept));
    spinning.push_back(microseconds(spun));
  }
  const auto figures = pipeline.stats().paths[0].figures.whole;
  return {{"period_us", microseconds(period)},
          {"items", items},
          {"pipeline_us",
           {{"p50", microseconds(figures.p50)},
            {"p90", microseconds(figures.p90)},
            {"p99", microseconds(figures.p99)},
            {"max", microseconds(figures.max)}}},
          {"by_hand_us", quantiles(std::move(asleep))},
          {"by_hand_spinning_us", quantiles(std::move(spinning))}};
}

enum class Producer { none, beside, connected };

std::string to_string(Producer producer) {
  switch (producer) {
    case Producer::none:
      return "none";
    case Producer::beside:
      return "beside";
    case Producer::connected:
      break;
  }
  return "connected";
}

Json consumer_cost(const fs::path& folder, Producer producer_is) {
  // Without vision's, the policy takes features that were published once.
  const bool is_connected = producer_is == Producer::connected;
  const std::string features = is_connected ? "'vision'" : "'features'";
  const std::string all = is_connected ? sources() : sources() + "[source.features]\nrate_hz = 30\n";
  const std::string camera = engine(folder, "vision", "from = 'camera'\non = 'camera'");
  auto pipeline =
      open(all + camera +
           engine(folder, "policy", "from = [" + features + ", 'state', " + kFeedback + "]\nrate_hz = 500") + kLanes);
  const auto picture = pinned(greenlane::load_tensors((folder / "vision.inputs.pt").string()));
  const auto recorded = greenlane::load_tensors((folder / "policy.inputs.pt").string());
  pipeline.source("state").publish({recorded[1]});
  if (!is_connected) pipeline.source("features").publish({recorded[0]});
  pipeline.source("camera").publish(picture);
  pipeline.start();
  // Back to back: vision is always at work.
  std::atomic<bool> is_over{false};
  std::thread producer;
  if (producer_is != Producer::none) {
    producer = std::thread([&] {
      auto seen = pipeline.sink("vision");
      while (!is_over) {
        (void)seen.wait(std::chrono::milliseconds(100));
        pipeline.source("camera").publish(picture);
      }
    });
  }
  std::this_thread::sleep_for(std::chrono::seconds(6));
  const auto stats = pipeline.stats();
  is_over = true;
  if (producer.joinable()) producer.join();
  const auto& policy = *std::ranges::find(stats.engines, "policy", &greenlane::EngineStats::name);
  const auto& vision = *std::ranges::find(stats.engines, "vision", &greenlane::EngineStats::name);
  return {{"vision", to_string(producer_is)},
          {"vision_runs", vision.figures.runs},
          {"policy_runs", policy.figures.runs},
          {"skipped", policy.figures.skipped},
          {"p50", microseconds(policy.figures.recent.p50)},
          {"p99", microseconds(policy.figures.recent.p99)},
          {"max", microseconds(policy.figures.recent.max)}};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: edge_cost FOLDER [ITEMS [publish]]\n");
    return 2;
  }
  try {
    const fs::path folder = argv[1];
    const int items = argc > 2 ? std::stoi(argv[2]) : 500;
    Json json{{"device", greenlane::Device::open(greenlane::DeviceId::parse("cuda")).info().name},
              {"torch", std::string(greenlane::torch_version())}};
    json["publish"] = publish_cost(folder, items);
    if (argc > 3) {
      std::printf("%s\n", json.dump(2).c_str());
      return 0;
    }
    json["path"] = Json::array();
    for (const int period_us : {2000, 5000, 33'333})
      json["path"].push_back(path_cost(folder, items, std::chrono::microseconds(period_us)));
    json["consumer"] = Json::array();
    for (int round = 0; round < 2; ++round) {
      for (const auto producer : {Producer::none, Producer::beside, Producer::connected})
        json["consumer"].push_back(consumer_cost(folder, producer));
    }
    std::printf("%s\n", json.dump(2).c_str());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "edge_cost: %s\n", error.what());
    return 1;
  }
  return 0;
}
