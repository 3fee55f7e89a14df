// The rehearsal that drives every contestant of the race in Python's process: torch.classes.greenlane_peers.Driver.
//
// A peer makes streams, as its documentation advises, and passes their handles. The work on them is the same for all
// peers: raw AOTInductor packages or, with graphs, PyTorch's own CUDA graphs of them, captured on those streams, called
// on the threads of greenlane's rehearsals at the same arrivals. No lane, binding or graph of greenlane's takes part.
#include "runtime/rehearsal_trigger.hpp"

#include <greenlane/detail/runtime/report.hpp>
#include <greenlane/torch/tensor_io.hpp>

#include <ATen/Context.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/core/Event.h>
#include <c10/cuda/CUDAGuard.h>
#include <nlohmann/json.hpp>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>
#include <torch/library.h>

#include <algorithm>
#include <map>
#include <thread>

namespace greenlane::peers {
namespace {

using namespace greenlane::runtime;
using c10::cuda::CUDAStream;
using torch::inductor::AOTIModelPackageLoader;

DeviceId device_of(const PipelineConfig& config) {
  if (config.device != "auto") return DeviceId::parse(config.device);
  return {at::Context::hasCUDA() ? DeviceKind::cuda : DeviceKind::cpu, 0};
}

// An engine on the stream that a peer made for it; on a CPU, on the calling thread.
class RawWorkload final : public Workload {
 public:
  RawWorkload(const EngineConfig& engine, DeviceId device, std::optional<CUDAStream> stream)
      : inputs_(to_device(load_tensors(engine.inputs), device)),
        expected_(engine.outputs.empty() ? std::vector<at::Tensor>{} : load_tensors(engine.outputs)),
        // Single-threaded, because otherwise AOTInductor would wait between its calls, and could not be captured.
        loader_(engine.model, "model", true, 1, stream ? stream->device_index() : c10::DeviceIndex{-1}),
        stream_(stream),
        done_(device.kind == DeviceKind::cuda ? c10::DeviceType::CUDA : c10::DeviceType::CPU) {}

  void bind(const Lane& /*lane*/) override {}
  void unbind() override {}

  // Captures the engine. Called once the engine is warm, while nothing else runs.
  void capture() {
    const CUDAStream stream = stream_.value();
    const c10::cuda::CUDAStreamGuard guard(stream);
    stream.synchronize();
    graph_inputs_.clear();
    for (const auto& input : inputs_) graph_inputs_.push_back(input.clone());
    auto& graph = graph_.emplace();
    graph.capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal);  // a peer may have threads of its own
    outputs_ = loader_.run(graph_inputs_, stream.stream());
    graph.capture_end();
  }
  void drop_graph() {
    outputs_.clear();
    graph_.reset();
  }

  void run(Work& /*work*/) override { run(); }
  void run() override {
    if (!stream_) {
      outputs_ = loader_.run(inputs_);
      return;
    }
    const c10::cuda::CUDAStreamGuard guard(*stream_);
    if (graph_) {
      for (std::size_t i = 0; i < inputs_.size(); ++i) graph_inputs_[i].copy_(inputs_[i], /*non_blocking=*/true);
      graph_->replay();
    } else {
      outputs_ = loader_.run(inputs_, stream_->stream());
    }
    done_.record(*stream_);
    done_.synchronize();
  }

  [[nodiscard]] bool has_expected_outputs() const override { return !expected_.empty(); }
  [[nodiscard]] std::string check() override { return difference(outputs_, expected_); }

 private:
  std::vector<at::Tensor> inputs_;
  std::vector<at::Tensor> expected_;
  AOTIModelPackageLoader loader_;
  std::optional<CUDAStream> stream_;
  c10::Event done_;
  std::vector<at::Tensor> outputs_;
  std::vector<at::Tensor> graph_inputs_;
  std::optional<at::cuda::CUDAGraph> graph_;
};

// Warms the engine up as a rehearsal does.
void warm_up(RawWorkload& workload) {
  const auto enough = Clock::now() + std::chrono::milliseconds(100);
  for (int runs = 0; runs < 3 || Clock::now() < enough; ++runs) workload.run();
}

void check(RawWorkload& workload, EngineResult& result) {
  if (!workload.has_expected_outputs() || !result.error.empty()) return;
  result.error = workload.check();
  result.checked = result.error.empty();
}

// The class that Python uses.
// Thread safety: none.
class Driver : public torch::CustomClassHolder {
 public:
  // Loads the engines that have a stream, one after another. On a CPU the handles mean nothing.
  Driver(const std::string& config, const c10::Dict<std::string, int64_t>& streams)
      : config_(load_config(config)), device_(device_of(config_)) {
    for (const auto& library : config_.libraries) load_operator_library(library);
    for (const auto& engine : config_.engines) {
      if (!streams.contains(engine.name)) continue;
      std::optional<CUDAStream> stream;
      if (device_.kind == DeviceKind::cuda) {
        // NOLINTNEXTLINE(performance-no-int-to-ptr)
        auto* const handle = reinterpret_cast<cudaStream_t>(streams.at(engine.name));
        TORCH_CHECK_VALUE(handle, "engine ", engine.name, ": the handle of its stream is null");
        stream = c10::cuda::getStreamFromExternal(handle, static_cast<c10::DeviceIndex>(device_.index));
      }
      workloads_.emplace(engine.name, std::make_shared<RawWorkload>(engine, device_, stream));
    }
  }

  // Prepares all engines: later calls are replayed from graphs, or not. Returns, by engine, why that was impossible.
  c10::Dict<std::string, std::string> prepare(bool graphs) {
    TORCH_CHECK_VALUE(!graphs || device_.kind == DeviceKind::cuda, "there are no CUDA graphs on a CPU");
    const c10::Dict<std::string, std::string> failed;  // a handle: its contents may change
    for (const auto& [name, workload] : workloads_) {
      try {
        workload->drop_graph();
        warm_up(*workload);
        if (!graphs) continue;
        workload->capture();
        warm_up(*workload);
      } catch (const std::exception& error) {
        failed.insert(name, error.what());
      }
    }
    return failed;
  }

  // Measures these engines side by side, from `begin_ns` of the steady clock on (0: now). Returns JSON.
  std::string run(const std::vector<std::string>& engines, double seconds, double warm_up_seconds, double spin_seconds,
                  int64_t begin_ns) {
    Timetable timetable;
    const auto soon = Clock::now() + std::chrono::milliseconds(5);
    timetable.begin = begin_ns > 0 ? Clock::time_point(Nanoseconds(begin_ns)) : soon;
    timetable.measure = timetable.begin + from_seconds(warm_up_seconds);
    timetable.end = timetable.measure + from_seconds(seconds);
    if (device_.kind == DeviceKind::cuda) timetable.spin = from_seconds(spin_seconds);

    std::vector<EngineResult> results;
    for (const auto& engine : config_.engines) {
      if (std::ranges::find(engines, engine.name) == engines.end()) continue;
      TORCH_CHECK_VALUE(workloads_.contains(engine.name), "engine ", engine.name, " has no stream");
      results.emplace_back().name = engine.name;
      results.back().lane = engine.lane;
      results.back().deadline = engine.deadline;
    }
    {
      std::vector<std::unique_ptr<ServedEngine>> served;
      std::vector<std::shared_ptr<RehearsalTrigger>> triggers;
      for (auto& result : results) {
        served.push_back(std::make_unique<ServedEngine>(
            workloads_.at(result.name), ServingOptions{.name = result.name, .deadline = result.deadline}));
        triggers.push_back(
            std::make_shared<RehearsalTrigger>(*served.back(), config_of(result.name), timetable, false, result));
      }
      for (std::size_t i = 0; i < served.size(); ++i) served[i]->start(triggers[i], timetable.spin);
      for (std::size_t i = 0; i < served.size(); ++i) {
        while (!served[i]->wait_for_trigger(std::chrono::seconds(1))) continue;
        triggers[i]->finish(false);
      }
    }
    nlohmann::ordered_json json{{"late_ms", late_ms(soon, timetable.begin)}, {"engines", nlohmann::json::array()}};
    for (auto& result : results) {
      check(*workloads_.at(result.name), result);
      json["engines"].push_back(nlohmann::ordered_json::parse(engine_json(result)));
    }
    return json.dump();
  }

 private:
  // Returns by how much this process missed a common beginning. Earlier arrivals count as latency, except in the
  // warm-up.
  static double late_ms(Clock::time_point soon, Clock::time_point begin) {
    return std::chrono::duration<double, std::milli>(std::max(soon - begin, Clock::duration(0))).count();
  }
  [[nodiscard]] const EngineConfig& config_of(const std::string& name) const {
    return *std::ranges::find(config_.engines, name, &EngineConfig::name);
  }

  PipelineConfig config_;
  DeviceId device_;
  std::map<std::string, std::shared_ptr<RawWorkload>> workloads_;
};

}  // namespace

TORCH_LIBRARY(greenlane_peers, library) {
  library.class_<Driver>("Driver")
      .def(torch::init<const std::string&, const c10::Dict<std::string, int64_t>&>())
      .def("prepare", &Driver::prepare)
      .def("run", &Driver::run);
}

}  // namespace greenlane::peers
