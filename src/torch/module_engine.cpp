#include "torch/module_engine.hpp"

#include "text/first_line.hpp"
#include "torch/dtype_names.hpp"
#include "torch/graphs/captured_call.hpp"
#include "torch/whole_torch.hpp"
#include "torch/writes.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/detail/torch/bound_call.hpp>

#include <ATen/ATen.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/util/StringUtil.h>

#include <algorithm>
#include <utility>

namespace greenlane::detail {
namespace {

std::string describe(const at::Tensor& tensor) {
  return name_of(tensor.scalar_type()) + " " + c10::str(tensor.sizes());
}

}  // namespace

ModuleEngine::ModuleEngine(const Device& device, ModuleOptions options, Model model,
                           const std::vector<at::Tensor>& recorded)
    : device_(device),
      options_(std::move(options)),
      model_(std::move(model)),
      writes_(recorded.size(), options_.stateful),
      binding_(device, options_.name),
      random_(device, options_.in_python ? std::nullopt : options_.seed),
      captures_(device.id().kind == DeviceKind::cuda && !options_.in_python) {
  for (const auto& input : recorded) {
    like_.push_back(at::empty_strided(input.sizes(), input.strides(), input.options().device(at::kMeta)));
  }
  if (!options_.stateful) learn_writes(recorded);
  if (!captures_) return;
  graphs_ = new_graphs();
  binding_.set_captured_work(graphs_);
}

std::vector<at::Tensor> ModuleEngine::call(const std::vector<at::Tensor>& inputs) const {
  try {
    return model_(inputs);
  } catch (const NotCapturable& error) {
    refuse_capture(error.what());
  } catch (const std::exception& error) {
    const std::string text = error.what();
    throw EngineError({.what = "the module of engine '" + options_.name + "' failed",
                       .why = text::first_line(text),
                       .remedy = "call the module on these inputs without greenlane, and look at its trace"});
  }
}

void ModuleEngine::learn_writes(const std::vector<at::Tensor>& recorded) {
  std::optional<c10::cuda::CUDAGuard> guard;
  std::optional<KeptGenerator> generator;
  if (on_gpu()) {
    load_whole_torch();
    const auto index = static_cast<c10::DeviceIndex>(device_.id().index);
    guard.emplace(index);
    generator.emplace(at::Device(at::kCUDA, index));
  }
  const WriteScope writes(WriteScope::Copies::kept);
  (void)call(recorded);
  writes.put_back();
  if (generator) generator->put_back();
  if (on_gpu()) c10::cuda::getCurrentCUDAStream().synchronize();
  auto effects = effects_of(recorded, writes.tensors());
  for (const auto index : effects.written) writes_[index] = true;
  state_ = std::move(effects.state);
}

std::shared_ptr<ResidentGraphs> ModuleEngine::new_graphs() {
  const GraphOptions options{.outputs = GraphOutputs::copies, .tune_kernels = options_.tune_kernels, .capacity = 1};
  return std::make_shared<ResidentGraphs>(binding_, options, random_.generator());
}

void ModuleEngine::check(const std::vector<at::Tensor>& inputs, bool are_on_host) const {
  const auto refuse = [&](std::size_t i, const std::string& why, const std::string& remedy) {
    throw EngineError({.what = "input " + std::to_string(i) + " does not fit engine '" + options_.name + "'",
                       .why = why,
                       .remedy = remedy});
  };
  if (inputs.size() != like_.size()) {
    throw EngineError({.what = "engine '" + options_.name + "' takes " + std::to_string(like_.size()) + " tensors",
                       .why = std::to_string(inputs.size()) + " were given",
                       .remedy = "pass tensors as in the file of its recorded inputs"});
  }
  const auto device =
      on_gpu() && !are_on_host ? at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(device_.id().index)) : at::kCPU;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const auto& input = inputs[i];
    if (input.device() != device)
      refuse(i, "it is on " + input.device().str() + ", and the engine is on " + device.str(), "move the tensor");
    if (options_.in_python) continue;
    if (input.layout() != at::kStrided) refuse(i, "it is not a dense tensor", "pass tensor.to_dense()");
    if (input.scalar_type() != like_[i].scalar_type() || input.sizes() != like_[i].sizes())
      refuse(i, "it is " + describe(input) + ", and the recorded input is " + describe(like_[i]),
             "pass a tensor like the recorded one, record other inputs, or set `python = true` for the engine");
  }
}

void ModuleEngine::bind(const Lane& lane) {
  binding_.set(lane);
  const std::scoped_lock lock(mutex_);
  is_captured_ = false;
}

void ModuleEngine::unbind() {
  binding_.clear();
  const std::scoped_lock lock(mutex_);
  is_captured_ = false;
}

void ModuleEngine::set_urgent(std::optional<std::chrono::nanoseconds> deadline) {
  if (on_gpu()) urgency_.set(device_, deadline);
}

void ModuleEngine::expect_call(std::chrono::steady_clock::time_point from) { urgency_.expect(binding_, from); }

void ModuleEngine::set_gates(const std::optional<SliceOptions>& slices) {
  if (!captures_) return;
  const std::scoped_lock lock(mutex_);
  slices_ = slices;
  graphs_->set_gates(slices);
}

std::optional<GraphReport> ModuleEngine::graphs() const {
  if (!captures_) return std::nullopt;
  const std::scoped_lock lock(mutex_);
  return graphs_->report();
}

std::optional<GraphReport> ModuleEngine::graphs_if_idle() const {
  if (!captures_) return std::nullopt;
  const std::unique_lock lock(mutex_, std::try_to_lock);
  return lock ? graphs_->report_if_idle() : std::nullopt;
}

std::vector<at::Tensor> ModuleEngine::laid_out(const std::vector<at::Tensor>& inputs) const {
  auto all = inputs;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].strides() == like_[i].strides()) continue;
    all[i] = at::empty_strided(like_[i].sizes(), like_[i].strides(), inputs[i].options());
    all[i].copy_(inputs[i]);
  }
  return all;
}

void ModuleEngine::refuse_capture(const std::string& why) const {
  throw EngineError({.what = "module '" + options_.module + "' cannot be captured",
                     .why = why,
                     .remedy = "set `python = true` for engine '" + options_.name +
                               "': it then runs in Python, under Python's lock"});
}

void ModuleEngine::look_for_graph() {
  const auto report = graphs_->report();
  if (!report.obstacle.empty()) refuse_capture(report.obstacle);
  is_captured_ = !report.graphs.empty();
}

std::vector<at::Tensor> ModuleEngine::run_graphs(const BoundCall& call, const std::vector<at::Tensor>& inputs,
                                                 Kind kind) {
  const ResidentGraphs::Kind each{.repeatable = !options_.stateful, .urgent = kind.urgent, .outputs = kind.outputs};
  if (is_captured_) {
    return graphs_->run(call, inputs, each, [this](const auto&) -> std::vector<at::Tensor> {
      throw EngineError({.what = "the graph of engine '" + options_.name + "' is out of date",
                         .why = "an engine inside of module '" + options_.module +
                                "' was bound to another lane, or called with another shape",
                         .remedy = "capture the module again (recapture), and bind and call nothing inside of it"});
    });
  }
  const auto module = [this](const std::vector<at::Tensor>& given) { return this->call(given); };
  auto outputs = graphs_->run(call, inputs, each, module);
  look_for_graph();
  // Another thread may be capturing, and for that time the module is called instead.
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!is_captured_ && !options_.stateful) {
    if (std::chrono::steady_clock::now() > give_up) refuse_capture("other captures of the process do not end");
    outputs = graphs_->run(call, inputs, each, module);
    look_for_graph();
  }
  return outputs;
}

std::vector<at::Tensor> ModuleEngine::run(const std::vector<at::Tensor>& inputs, std::optional<GraphOutputs> outputs) {
  check(inputs);
  std::vector<at::Tensor> results;
  if (!on_gpu()) {
    call_on_cpu(binding_, [&] { results = this->call(inputs); });
    return results;
  }
  std::unique_lock lock(mutex_, std::defer_lock);
  if (captures_) lock.lock();
  BoundCall call(binding_, inputs);
  if (call.is_captured()) {
    throw EngineError({.what = "engine '" + options_.name + "' cannot be called in a capture",
                       .why = "it replays a graph of its own",
                       .remedy = "call the module itself in the capture"});
  }
  const auto urgent = urgency_.get();
  std::optional<UrgentEngine::Call> pass;
  if (urgent)
    pass.emplace(
        urgent->enter(call.lane() ? call.lane()->unit_set() : UnitSetId{}, StreamView(call.stream().stream())));
  results = captures_ ? run_graphs(call, laid_out(inputs), {.outputs = outputs, .urgent = pass.has_value()})
                      : this->call(inputs);
  if (pass) pass->enqueued(StreamView(call.stream().stream()));
  call.finish(results);
  return results;
}

void ModuleEngine::recapture(const std::vector<at::Tensor>& inputs) {
  if (!captures_) return;
  const std::scoped_lock lock(mutex_);
  const auto lane = binding_.lane();
  if (lane) lane->synchronize();  // for the former graph, which is destroyed
  const auto use = [&](std::shared_ptr<ResidentGraphs> graphs) {
    graphs_ = std::move(graphs);
    binding_.set_captured_work(graphs_);
  };
  const auto former = graphs_;
  const bool was_captured = is_captured_;
  use(new_graphs());
  graphs_->set_gates(slices_);
  is_captured_ = false;
  try {
    const WriteScope writes(WriteScope::Copies::kept);
    BoundCall call(binding_, inputs);
    (void)run_graphs(call, laid_out(inputs), {.outputs = GraphOutputs::views, .urgent = true});
    writes.put_back();
    call.finish({});
  } catch (...) {
    if (lane) lane->synchronize();
    use(former);
    is_captured_ = was_captured;
    throw;
  }
  if (lane) lane->synchronize();
}

}  // namespace greenlane::detail
