// Workloads over engines that run on a lane and replay graphs.
#pragma once

#include "runtime/batches.hpp"
#include "runtime/tensor_payload.hpp"
#include "runtime/tensor_workload.hpp"
#include "text/first_line.hpp"
#include "torch/graphs/graph_random.hpp"
#include "torch/writes.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/detail/core/gate.hpp>
#include <greenlane/detail/core/urgent.hpp>
#include <greenlane/detail/torch/resident_graph.hpp>
#include <greenlane/torch/graphs.hpp>
#include <greenlane/torch/tensor_io.hpp>

#include <c10/core/Event.h>
#include <c10/cuda/CUDAGraphsC10Utils.h>
#include <c10/cuda/CUDAGuard.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace greenlane::runtime {

// Returns the batches of an engine, and gives its recorded inputs and outputs the rows of a planned run. Absent: its
// requests run alone. `check` throws EngineError for inputs that the engine refuses.
// Throws: EngineError if it has state, if its inputs have no rows, or if it refuses a size.
template <typename Engine, typename Check>
std::optional<Batches> batches_of(const EngineConfig& config, const Engine& engine, std::vector<at::Tensor>& inputs,
                                  std::vector<at::Tensor>& expected, const Check& check) {
  if (!config.batch) return std::nullopt;
  if (!engine.state().empty() || engine.is_stateful()) {
    throw EngineError({.what = "engine '" + config.name + "' makes no batches",
                       .why = "it keeps state, so its runs depend on each other",
                       .remedy = "leave `max_batch` out"});
  }
  if (inputs.empty()) {
    throw EngineError({.what = "engine '" + config.name + "' makes no batches",
                       .why = "it takes no inputs",
                       .remedy = "leave `max_batch` out"});
  }
  require_rows(inputs, config.name);
  auto batch = *config.batch;
  std::erase_if(batch.sizes, [&](std::int64_t size) {
    try {
      check(with_rows(inputs, size));
      return false;
    } catch (const EngineError& error) {
      if (!batch.are_listed && size != config.batch->most()) return true;
      throw EngineError(
          {.what = "engine '" + config.name + "' takes no batch of " + std::to_string(size) + " rows",
           .why = error.what(),
           .remedy = "choose `max_batch` and `batch_sizes` among the sizes that the model was exported for"});
    }
  });
  Batches batches(batch, inputs, config.name);
  const auto rows = batch.size_for(batch.planned_rows);
  const auto have_rows = [&](const at::Tensor& each) { return each.dim() > 0 && each.size(0) == inputs[0].size(0); };
  if (std::ranges::all_of(expected, have_rows)) expected = with_rows(expected, rows);
  inputs = with_rows(inputs, rows);
  return batches;
}

// A workload over AotiEngine or ModuleEngine, which have the same members as far as they are used here.
template <typename Engine>
class EngineWorkload : public TensorWorkload {
 public:
  EngineWorkload(std::shared_ptr<Engine> engine, std::vector<at::Tensor> inputs, std::vector<at::Tensor> expected,
                 bool check_outputs, std::optional<Batches> batches = {})
      : engine_(std::move(engine)),
        inputs_(std::move(inputs)),
        expected_(std::move(expected)),
        check_outputs_(check_outputs),
        has_graphs_(engine_->graphs().has_value()),
        batches_(std::move(batches)),
        state_(engine_->state()),
        done_(event_type()) {
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      if (engine_->writes_input(i)) written_inputs_.emplace_back(inputs_[i], inputs_[i].clone());
    }
  }

  void bind(const Lane& lane) override {
    engine_->bind(lane);
    lane_ = lane;
    is_stream_kept_ = false;
    have_sizes_run_ = false;
    if (!on_gpu()) return;
    generator_.emplace(at::Device(at::kCUDA, index()));
    slots_->copy_ahead(lane.device());
  }

  void unbind() override {
    outputs_.clear();
    slots_->clear();
    if (batches_) batches_->clear();
    engine_->unbind();
    lane_.reset();
  }

  void set_role(const GateRole& role) override {
    role_ = role;
    have_sizes_run_ = false;
    if (has_graphs_)
      engine_->set_gates(role.gated ? std::optional(SliceOptions{.longest = role.slice, .log = role.log})
                                    : std::nullopt);
    engine_->set_urgent(role.urgent);
    urgent_.reset();
    if (role.urgent && !on_gpu()) urgent_.emplace(engine_->device(), *role.urgent);
    gate_ = Gate::of(engine_->device());
  }

  void expect(std::chrono::steady_clock::time_point from) override { engine_->expect_call(from); }

  [[nodiscard]] bool may_be_warmed_up() const override { return !engine_->is_stateful(); }
  [[nodiscard]] bool has_state() const override { return !state_.empty() || engine_->is_stateful(); }

  void reset_state() override {
    if (generator_) generator_->put_back();
    generator_.reset();
    engine_->reset_random();
    if (state_.empty()) return;
    if (!on_gpu()) {
      state_.put_back();
      return;
    }
    const c10::cuda::CUDAGuard guard(index());
    const auto stream = c10::cuda::getCurrentCUDAStream(index());
    state_.put_back();
    done_.record(stream);
    wait();
  }

  void run() override {
    const greenlane::detail::RandomCapturesAllowed while_nobody_is_served;
    first_line_only([&] {
      if (batches_ && !std::exchange(have_sizes_run_, true)) run_sizes(*batches_);
      const auto put_back = [&] {
        // The former run may have written to the recorded inputs.
        for (const auto& [given, recorded] : written_inputs_) given.copy_(recorded, /*non_blocking=*/true);
      };
      // Their memory is read only between two runs, so they may be views of the graph's own.
      run_and_wait(inputs_, GraphOutputs::views, put_back, [&](auto outputs) { outputs_ = std::move(outputs); });
    });
  }

  void run(Work& work) override {
    auto& request = static_cast<TensorWork&>(work);
    first_line_only([&] {
      // A call of another thread may run as soon as this one is enqueued, so the graph's own outputs would be its.
      run_and_wait(
          request.inputs(), GraphOutputs::copies, [&] { bring_inputs(request); },
          [&](auto outputs) { request.outputs = request.is_on_host() ? copies_on_host(outputs) : std::move(outputs); });
    });
    request.give_back();
  }

  std::int64_t run(std::span<Work* const> batch) override {
    if (!batches_) return TensorWorkload::run(batch);
    std::vector<at::Tensor> inputs;
    first_line_only([&] {
      const auto gather = [&] {
        for (auto* work : batch) bring_inputs(static_cast<TensorWork&>(*work));
        inputs = batches_->gather(batch);
      };
      run_and_wait(inputs, GraphOutputs::copies, gather, [&](const auto& outputs) {
        batches_->require_rows_of(outputs, inputs.front().size(0));
        batches_->scatter(outputs, batch);
        if (check_outputs_) check_each(batch);
        for (auto* work : batch) bring_outputs(static_cast<TensorWork&>(*work));
      });
    });
    for (auto* work : batch) static_cast<TensorWork&>(*work).give_back();
    return inputs.front().size(0);
  }

  [[nodiscard]] std::shared_ptr<const Payload> begin(std::span<const Feed> feeds) override {
    std::shared_ptr<const Payload> outputs;
    first_line_only([&] {
      // Until its inputs are there, an urgent engine would keep others from running for nothing.
      if (role_.urgent) {
        for (const auto& feed : feeds) payload_of(feed).wait();
      }
      std::vector<at::Tensor> inputs(feeds.size());
      if (!on_gpu()) {
        outputs = std::make_shared<TensorPayload>(run_on_cpu(inputs, GraphOutputs::copies, [&] {
          for (std::size_t i = 0; i < feeds.size(); ++i) inputs[i] = input_from(feeds[i], i);
        }));
        return;
      }
      enqueue(
          inputs, GraphOutputs::copies, [&] { take_inputs(feeds, inputs); },
          [&](auto tensors, auto stream) {
            launched_ = last_launch();
            begun_ = events_.record(stream);
            outputs = std::make_shared<TensorPayload>(std::move(tensors), begun_);
          });
      if (!is_stream_kept_) lane_.value().keep_stream();  // as in prepare()
      is_stream_kept_ = true;
    });
    return outputs;
  }

  RunSpan finish() override {
    if (!begun_) return TensorWorkload::finish();
    begun_->wait();
    const auto ended = std::chrono::steady_clock::now();
    const c10::cuda::CUDAStreamCaptureModeGuard while_others_capture(cudaStreamCaptureModeRelaxed);
    auto time = begun_->since(*before_);
    for (const auto& input : awaited_) time = std::min(time, begun_->since(*input));
    begun_.reset();
    before_.reset();
    awaited_.clear();
    // An idle device begins when the graph is launched.
    return {.began = std::max(ended - time, launched_), .ended = ended};
  }

  [[nodiscard]] std::vector<at::Tensor> call(const std::vector<at::Tensor>& inputs) override {
    if (batches_) batches_->require_listed(inputs);
    if (on_gpu()) {
      wait_at_gate(GateWait::spin);
      return engine_->run(inputs);
    }
    auto outputs = run_on_cpu(inputs, GraphOutputs::views, [] {});
    if (check_outputs_ && batches_) require_finite(outputs, engine_->name());
    return outputs;
  }

  [[nodiscard]] std::unique_ptr<TensorWork> prepare(const std::vector<at::Tensor>& given) override {
    const auto inputs = has_fixed_layout() ? laid_out_like(recorded(), given) : given;
    const auto is_on_host = [](const at::Tensor& input) {
      return input.is_cpu() && input.layout() == at::kStrided && !input._is_zerotensor();
    };
    const bool are_on_host = on_gpu() && !inputs.empty() && std::ranges::all_of(inputs, is_on_host);
    if (batches_) {
      batches_->require_fit(inputs, are_on_host);
    } else {
      require_engine_fit(inputs, are_on_host);
    }
    // The outputs' memory belongs to the lane's stream, or was copied there, and may outlive the lane.
    if (on_gpu()) lane_.value().keep_stream();
    const auto rows = batches_ ? inputs.front().size(0) : 1;
    return std::make_unique<TensorWork>(slots_, are_on_host ? slots_->copy_from_host(inputs) : slots_->copy(inputs),
                                        rows);
  }

  void require_fit(const std::vector<at::Tensor>& inputs) const override {
    require_engine_fit(inputs, /*are_on_host=*/false);
    if (batches_) batches_->require_listed(inputs);
  }

  [[nodiscard]] std::vector<at::Tensor> recorded_inputs() const override { return inputs_; }
  [[nodiscard]] std::vector<at::Tensor> recorded_outputs() const override { return outputs_; }

  [[nodiscard]] std::vector<TensorSpec> output_specs() const override {
    auto specs = TensorWorkload::output_specs();
    if (batches_) batches_->limit(specs);
    return specs;
  }

  [[nodiscard]] bool is_done_when_called() const override { return !on_gpu(); }
  [[nodiscard]] bool takes_inputs() const override { return !inputs_.empty(); }
  [[nodiscard]] bool is_idle() const override {
    if (!on_gpu() || !lane_) return true;
    const c10::cuda::CUDAStreamCaptureModeGuard while_others_capture(cudaStreamCaptureModeRelaxed);
    return c10::cuda::getStreamFromExternal(lane_->stream().handle(), index()).query();
  }

  [[nodiscard]] std::optional<GraphUse> graphs() const override {
    const auto report = engine_->graphs();
    return report ? std::optional(use_of(*report)) : std::nullopt;
  }

  [[nodiscard]] std::optional<GraphUse> graphs_now() override {
    const auto report = engine_->graphs_if_idle();
    const std::scoped_lock lock(latest_mutex_);
    if (report) latest_ = use_of(*report);
    return latest_;
  }

  [[nodiscard]] bool has_expected_outputs() const override { return !expected_.empty(); }
  [[nodiscard]] std::string check() override { return difference(outputs_, expected_); }

 protected:
  // Throws: EngineError if the engine itself would refuse these inputs. `are_on_host`: they are in host memory, from
  // where a run brings them to the GPU.
  virtual void require_engine_fit(const std::vector<at::Tensor>& inputs, bool are_on_host) const = 0;
  // Whether the engine reads its inputs by the strides of the recorded ones.
  [[nodiscard]] virtual bool has_fixed_layout() const { return false; }
  [[nodiscard]] const std::optional<Batches>& batches() const { return batches_; }
  [[nodiscard]] Engine& engine() const { return *engine_; }
  [[nodiscard]] const std::vector<at::Tensor>& recorded() const { return inputs_; }

 private:
  // Runs batches of each size, so that each has its graph, and checks their outputs.
  void run_sizes(const Batches& batches) {
    for (const auto size : batches.sizes()) {
      const auto inputs = batches.recorded(size);
      for (int runs = 0; runs < 2; ++runs) {
        run_and_wait(
            inputs, GraphOutputs::views, [] {}, [&](const auto& outputs) { batches.require_rows_of(outputs, size); });
      }
    }
  }

  // Brings a request's inputs to the GPU, if the engine is on one, on the lane's stream.
  void bring_inputs(const TensorWork& request) {
    if (!on_gpu()) return;
    constexpr std::size_t kLarge = std::size_t{1} << 20U;  // bytes
    request.bring_inputs({at::kCUDA, index()});
    if (!role_.urgent || !request.is_on_host()) return;
    std::size_t bytes = 0;
    for (const auto& input : request.inputs()) bytes += input.nbytes();
    // While its inputs are on their way, an urgent engine would keep others from running for nothing.
    if (bytes >= kLarge) wait_for(c10::cuda::getCurrentCUDAStream(index()));
  }

  // Brings a request's outputs to the host, if its inputs came from there.
  static void bring_outputs(TensorWork& request) {
    if (request.is_on_host() && !request.error) request.outputs = copies_on_host(request.outputs);
  }

  // Looks for NaN and infinity in the outputs of each request.
  void check_each(std::span<Work* const> batch) {
    for (auto* work : batch) {
      try {
        require_finite(static_cast<TensorWork&>(*work).outputs, engine_->name());
      } catch (const EngineError&) {
        work->error = std::current_exception();
      }
    }
  }

  [[nodiscard]] static GraphUse use_of(const GraphReport& report) {
    GraphUse use;
    use.bytes = report.bytes;
    use.obstacle = report.obstacle;
    if (report.graphs.empty()) return use;
    for (const auto& graph : report.graphs) use.replays += graph.replays;
    // With batches there is a graph for each size. The longest one tells what urgent engines may wait for.
    const auto& longest = *std::ranges::max_element(report.graphs, {}, &GraphInfo::time);
    use.time = longest.time;
    use.kernel_units = longest.kernel_units;
    use.slices = longest.slices;
    use.longest_slice = longest.longest_slice;
    use.look_ahead = longest.look_ahead;
    use.gate_obstacle = longest.gate_obstacle;
    use.long_kernel = longest.long_kernel;
    return use;
  }

  [[nodiscard]] c10::DeviceType event_type() const { return on_gpu() ? c10::DeviceType::CUDA : c10::DeviceType::CPU; }
  [[nodiscard]] bool on_gpu() const { return engine_->device().id().kind == DeviceKind::cuda; }
  [[nodiscard]] c10::DeviceIndex index() const { return static_cast<c10::DeviceIndex>(engine_->device().id().index); }

  void wait() {
    const c10::cuda::CUDAStreamCaptureModeGuard while_others_capture(cudaStreamCaptureModeRelaxed);
    done_.synchronize();
  }

  // PyTorch appends a C++ stack trace to its errors.
  template <typename Work>
  static void first_line_only(const Work& work) {
    try {
      work();
    } catch (const Error&) {
      throw;
    } catch (const std::exception& error) {
      const std::string text = error.what();
      throw EngineError({.what = "the engine failed",
                         .why = text::first_line(text),
                         .remedy = "run the model in PyTorch: if it fails there, too, check the model"});
    }
  }

  // Without a resident graph, a gated engine waits at the gate before each run, as every gated engine on a CPU does.
  void wait_at_gate(GateWait how) const {
    if (role_.gated && (!on_gpu() || !has_graphs_)) (void)gate_->wait(lane_.value().unit_set(), how);
  }

  // Enqueues a run on the lane. Calls `before` on the lane's stream before it, and `after` with the outputs and the
  // stream behind it. If something throws, it waits for what was enqueued, because that still reads the inputs.
  template <typename Before, typename After>
  void enqueue(const std::vector<at::Tensor>& inputs, GraphOutputs kind, const Before& before, const After& after) {
    wait_at_gate(GateWait::spin);
    // The lane's stream is the caller stream, so there is nothing to join.
    const auto stream = c10::cuda::getStreamFromExternal(lane_.value().stream().handle(), index());
    const c10::cuda::CUDAStreamGuard guard(stream);
    const c10::cuda::CUDAStreamCaptureModeGuard while_others_capture(cudaStreamCaptureModeRelaxed);
    try {
      before();
      auto outputs = engine_->run(inputs, kind);
      if (kind == GraphOutputs::copies) copy_state(outputs);
      if (check_outputs_ && !batches_) require_finite(outputs, engine_->name());
      after(std::move(outputs), stream);
    } catch (...) {
      wait_for(stream);
      throw;
    }
  }

  // Runs once, and returns when the work of all three is done. `before` and, with the outputs, `after` are called on
  // the lane's stream.
  template <typename Before, typename After>
  void run_and_wait(const std::vector<at::Tensor>& inputs, GraphOutputs kind, const Before& before,
                    const After& after) {
    if (!on_gpu()) {
      after(run_on_cpu(inputs, kind, before));
      return;
    }
    enqueue(inputs, kind, before, [&](auto&& outputs, auto stream) {
      after(std::forward<decltype(outputs)>(outputs));
      wait_for(stream);
    });
  }

  // Waits for this run only. A wait for the lane would include the engines that share it.
  void wait_for(c10::cuda::CUDAStream stream) {
    done_.record(stream);
    wait();
  }

  template <typename Before>
  std::vector<at::Tensor> run_on_cpu(const std::vector<at::Tensor>& inputs, GraphOutputs kind, const Before& before) {
    // The call opens the gate when it ends, because the work is done by then.
    std::optional<UrgentEngine::Call> call;
    if (urgent_) call.emplace(urgent_->enter(lane_.value().unit_set()));
    wait_at_gate(GateWait::block);
    before();
    auto outputs = engine_->run(inputs);
    if (kind == GraphOutputs::copies) copy_state(outputs);
    if (check_outputs_ && !batches_) require_finite(outputs, engine_->name());
    return outputs;
  }

  // Copies outputs that are the engine's own buffers, because the next run changes those.
  void copy_state(std::vector<at::Tensor>& outputs) const {
    for (auto& output : outputs) {
      if (state_.share_memory_with(output)) output = output.clone();
    }
  }

  [[nodiscard]] static const TensorPayload& payload_of(const Feed& feed) {
    return static_cast<const TensorPayload&>(*feed.payload);
  }

  // Takes the inputs of a run on the lane's stream, and notes what tells when the run begins on the device. An event
  // behind the inputs would tell, too, but it would delay the run.
  void take_inputs(std::span<const Feed> feeds, std::vector<at::Tensor>& inputs) {
    const auto stream = c10::cuda::getCurrentCUDAStream(index());
    const auto is_here = [&](const Feed& feed) {
      const auto& tensors = payload_of(feed).tensors();
      return feed.output < tensors.size() && tensors[feed.output].device() == stream.device();
    };
    awaited_.clear();
    for (std::size_t i = 0; i < feeds.size(); ++i) {
      if (!is_here(feeds[i])) inputs[i] = input_from(feeds[i], i);
    }
    before_ = events_.record(stream);
    for (std::size_t i = 0; i < feeds.size(); ++i) {
      if (!is_here(feeds[i])) continue;
      const auto& written = payload_of(feeds[i]).written();
      if (written && !written->is_done()) awaited_.push_back(written);
      inputs[i] = input_from(feeds[i], i);
    }
  }

  // Returns an input of a run, for use on the lane. Other engines may read the same tensor.
  [[nodiscard]] at::Tensor input_from(const Feed& feed, std::size_t index) const {
    const auto device = on_gpu() ? at::Device(at::kCUDA, this->index()) : at::Device(at::kCPU);
    const auto tensor = payload_of(feed).tensor_on(feed.output, device);
    return engine_->writes_input(index) ? tensor.clone() : tensor;
  }

  GateRole role_;
  std::shared_ptr<Gate> gate_;
  std::optional<UrgentEngine> urgent_;  // on a CPU, where AotiEngine has no gates
  std::shared_ptr<Engine> engine_;
  std::vector<at::Tensor> inputs_;
  std::vector<at::Tensor> expected_;
  std::vector<at::Tensor> outputs_;
  std::shared_ptr<InputSlots> slots_ = std::make_shared<InputSlots>();
  std::optional<Lane> lane_;
  bool check_outputs_;
  bool has_graphs_;
  bool is_stream_kept_ = false;
  std::optional<Batches> batches_;         // absent: each request runs alone
  bool have_sizes_run_ = false;            // since bind() and set_role(); used by the engine's thread alone
  std::shared_ptr<const Written> begun_;   // the run that finish() waits for; null: none
  std::shared_ptr<const Written> before_;  // all that the lane did before that run
  std::vector<std::shared_ptr<const Written>> awaited_;  // its inputs that were not there when it was enqueued
  std::chrono::steady_clock::time_point launched_;       // when the graph of that run was launched, or an earlier one
  WrittenPool events_;
  detail::KeptTensors state_;  // its values when the package was loaded
  std::optional<detail::KeptGenerator> generator_;
  std::vector<std::pair<at::Tensor, at::Tensor>> written_inputs_;  // each with its recorded copy
  c10::Event done_;
  std::mutex latest_mutex_;  // guards the next member
  std::optional<GraphUse> latest_;
};

}  // namespace greenlane::runtime
