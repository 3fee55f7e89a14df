// A stand-in for Torch-TensorRT's runtime on machines without a GPU: the same class, operator and metadata as in 2.14,
// with engines that double their inputs on the CPU. tests/compat compares it with the real library. An engine on a GPU
// chooses its stream as stock Torch-TensorRT does. It runs if a preloaded double of CUDA (fake_cuda) is that GPU.
#include <ATen/ATen.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/custom_class.h>
#include <torch/library.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

namespace {

std::atomic<int64_t> live{0};
std::atomic<int64_t> graphs_mode{0};

// The fields of stock Torch-TensorRT's serialisation, version 10: ABI, name, device, engine, names of inputs and
// outputs, and more.
struct Engine final : torch::CustomClassHolder {
  explicit Engine(std::vector<std::string> info) : fields(std::move(info)) {
    TORCH_CHECK(fields.size() == 13, "Expected 13 fields, found ", fields.size());
    requires_native_multidevice = fields[11] == "1";
    ++live;
  }
  ~Engine() override { --live; }
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  std::vector<std::string> fields;
  bool requires_native_multidevice = false;
  std::vector<at::Tensor> pre_allocated_outputs;
  std::optional<c10::cuda::CUDAStream> pool_stream;
  bool use_output_allocator_outputs = false;
  std::string cuda_graph_strategy = "disabled";

  // The state that stock Torch-TensorRT keeps about its CUDA graphs. On the CPU all streams have the same handle, as if
  // the driver had given out a destroyed stream's handle again.
  std::mutex mutex;
  bool graphs_were_on = false;
  std::vector<int64_t> shapes;
  std::optional<int64_t> recorded_in;  // a thread, or a stream of a GPU
};
using EnginePtr = c10::intrusive_ptr<Engine>;

// Returns the version that it stands in for: "2.12", "2.13", or 2.14 if the environment names none.
std::string version() {
  const char* const named = std::getenv("GREENLANE_STAND_IN_VERSION");  // NOLINT(concurrency-mt-unsafe)
  return named ? named : "2.14";
}

// Writes down where an engine ran, if the environment names a file for that.
void tell(const EnginePtr& engine, const std::string& location) {
  static std::mutex mutex;
  const char* const file = std::getenv("GREENLANE_STAND_IN_LOG");  // NOLINT(concurrency-mt-unsafe)
  if (!file) return;
  const std::scoped_lock lock(mutex);
  std::ofstream(file, std::ios::app) << engine->fields.at(1) << " on " << location << "\n";
}

// Returns the name of this thread, which identifies a lane's worker.
std::string this_thread() {
  std::ifstream comm("/proc/thread-self/comm");
  std::string name;
  std::getline(comm, name);
  return name;
}

// Returns the stream by stock Torch-TensorRT's rules. From 2.13 on it is the caller's, or, in place of the default
// stream, the engine's own stream of PyTorch's pool. Before 2.13 it is always the engine's own.
c10::cuda::CUDAStream choose_stream(const std::vector<at::Tensor>& inputs, const EnginePtr& engine) {
  const bool on_gpu = !inputs.empty() && inputs[0].is_cuda();
  const auto device = on_gpu ? static_cast<c10::DeviceIndex>(inputs[0].get_device()) : c10::cuda::current_device();
  const auto caller = c10::cuda::getCurrentCUDAStream(device);
  const bool on_default = caller == c10::cuda::getDefaultCUDAStream(device);
  if (!on_default && version() >= "2.13") return caller;
  if (!engine->pool_stream) engine->pool_stream = c10::cuda::getStreamFromPool(false, device);
  return *engine->pool_stream;
}

// Doubles every input. The last output says on which thread, or on which stream of a GPU, the call ran; without inputs
// it is the only output. In mode SUBGRAPH that is the place where the graph was recorded, because a graph runs there.
std::vector<at::Tensor> execute_engine(const std::vector<at::Tensor>& inputs, const EnginePtr& engine) {
  TORCH_CHECK(engine->fields.at(3) != "broken", "this engine is broken");
  const std::scoped_lock lock(engine->mutex);
  const bool graphs_on = graphs_mode == 1;
  TORCH_CHECK(!graphs_on || (engine->fields.at(9) != "1" && !engine->use_output_allocator_outputs),
              "output allocation is incompatible with CUDA Graphs");
  std::vector<int64_t> shapes;
  for (const auto& input : inputs) shapes.insert(shapes.end(), input.sizes().begin(), input.sizes().end());
  for (const auto& input : inputs) TORCH_CHECK(input.numel() != 13, "this input is unlucky");
  auto location = static_cast<int64_t>(gettid());
  std::optional<c10::cuda::CUDAStreamGuard> guard;
  const auto& device = engine->fields.at(2);
  const bool on_gpu = !device.empty() && device.front() >= '0' && device.front() <= '9';
  if (!on_gpu) {
    tell(engine, this_thread());
  } else {
    const auto stream = choose_stream(inputs, engine);
    tell(engine, engine->pool_stream && stream == *engine->pool_stream ? "its own stream" : "the caller's stream");
    guard.emplace(stream);
    location = reinterpret_cast<int64_t>(stream.stream());
  }
  // Decides as stock Torch-TensorRT's TorchTRTRuntimeStates does.
  const bool stream_changed = on_gpu && engine->recorded_in != location;
  const bool records = graphs_on && (!engine->graphs_were_on || shapes != engine->shapes || stream_changed);
  engine->graphs_were_on = graphs_on;
  engine->shapes = std::move(shapes);
  if (!graphs_on) engine->recorded_in.reset();
  if (records) engine->recorded_in = location;
  std::vector<at::Tensor> outputs;
  for (const auto& input : inputs) outputs.push_back(input * 2);
  outputs.push_back(at::tensor({engine->recorded_in.value_or(location)}, at::kLong));
  return outputs;
}

// Returns the text in which versions before 2.14 give the name and the device.
std::string describe(const EnginePtr& self) {
  const auto& device = self->fields.at(2);
  return "Torch-TensorRT TensorRT Engine:\n  Name: " + self->fields.at(1) +
         "\n  Device: Device(ID: " + device.substr(0, device.find('%')) + ", Name: stand-in)\n" +
         "RuntimeSettings{\n  CUDA Graph Strategy: " + self->cuda_graph_strategy + "\n}";
}

// Stock Torch-TensorRT's last argument is a cache. The stand-in has none.
void update_runtime_settings(const EnginePtr& self, int64_t /*specialization*/, int64_t cuda_graph_strategy,
                             const std::optional<std::string>& /*cache*/) {
  self->cuda_graph_strategy = cuda_graph_strategy == 0 ? "disabled" : "whole_graph_capture";
}

}  // namespace

TORCH_LIBRARY(tensorrt, m) {
  auto engine = m.class_<Engine>("Engine");
  engine.def(torch::init<std::vector<std::string>>())
      .def("__str__", describe)
      .def("__obj_flatten__",
           [](const EnginePtr& self) { return std::make_tuple(std::make_tuple(std::string("fields"), self->fields)); })
      .def_readonly("requires_native_multidevice", &Engine::requires_native_multidevice)
      .def_readwrite("use_output_allocator_outputs", &Engine::use_output_allocator_outputs)
      .def("update_runtime_settings", update_runtime_settings)
      .def_pickle([](const EnginePtr& self) { return self->fields; },
                  [](std::vector<std::string> fields) { return c10::make_intrusive<Engine>(std::move(fields)); });
  if (version() >= "2.13") {
    engine.def("num_execution_contexts_created", [](const EnginePtr&) -> int64_t { return 1; })
        .def_readwrite("pre_allocated_outputs", &Engine::pre_allocated_outputs);
  }
  if (version() >= "2.14") engine.def("serialize_metadata_only", [](const EnginePtr& self) { return self->fields; });
  m.def("execute_engine(Tensor[] input_tensors, __torch__.torch.classes.tensorrt.Engine engine) -> Tensor[]");
  m.def("ABI_VERSION", []() -> std::string { return "10"; });
  m.def("SERIALIZATION_LEN", []() -> int64_t { return 13; });
  m.def("NAME_IDX", []() -> int64_t { return 1; });
  m.def("DEVICE_IDX", []() -> int64_t { return 2; });
  m.def("get_cudagraphs_mode", []() -> int64_t { return graphs_mode; });
  m.def("set_cudagraphs_mode", [](int64_t mode) { graphs_mode = mode; });
  m.def("live_engines", []() -> int64_t { return live; });  // not in stock Torch-TensorRT
}

TORCH_LIBRARY_IMPL(tensorrt, CompositeExplicitAutograd, m) { m.impl("execute_engine", execute_engine); }
