#include "support/fake_driver_test.hpp"
#include "torch/tensorrt/graph_mode.hpp"

#include <greenlane/torch/tensor_io.hpp>
#include <greenlane/torch/tensorrt.hpp>

#include <ATen/core/dispatch/Dispatcher.h>
#include <gtest/gtest.h>

#include <optional>

namespace greenlane::tensorrt {
namespace {

// Tests of stock Torch-TensorRT's graph modes, as the stand-in for its runtime keeps them.
class GraphModeTest : public fake::FakeDriverTest {
 protected:
  GraphModeTest() : FakeDriverTest({.gpus = {fake::Gpu{}}}) {
    static const bool loaded = (load_operator_library(GREENLANE_TEST_STAND_IN), true);
    EXPECT_TRUE(loaded && is_loaded());
    set_mode(0);
  }
  ~GraphModeTest() override { set_mode(0); }

  static std::int64_t mode() { return call("tensorrt::get_cudagraphs_mode", {}).toInt(); }
  static void set_mode(std::int64_t mode) { call("tensorrt::set_cudagraphs_mode", {mode}); }

  bool may_have_old_graph() { return tensorrt::may_have_old_graph(record_, c10::IValue()); }
  // Returns the mode that stock Torch-TensorRT sees in a call.
  std::int64_t mode_in_call(bool throws = false) {
    if (!may_have_old_graph()) return mode();
    GraphModeScope scope(record_);
    const auto seen = mode();
    if (!throws) scope.finish();
    return seen;
  }

  // Binds the engine to a lane that adopts the stream.
  void bind(StreamView stream) { record_.binding.set(Lane::adopt(device_, stream)); }

  Device device_ = gpu();
  StreamView stream_ = fake_.make_stream();
  StreamView other_ = fake_.make_stream();
  EngineRecord record_{device_, "engine"};

 private:
  static c10::IValue call(const char* name, torch::jit::Stack stack) {
    c10::Dispatcher::singleton().findSchemaOrThrow(name, "").callBoxed(stack);
    return stack.empty() ? c10::IValue() : stack.back();
  }
};

TEST_F(GraphModeTest, TheFirstCallAfterAChangeUsesNoGraphs) {
  set_mode(1);
  EXPECT_EQ(mode_in_call(), 1) << "an engine that was never bound ran without graphs";
  for (const auto& change :
       {+[](StreamBinding& binding, StreamView stream) { binding.set(Lane::adopt(binding.device(), stream)); },
        +[](StreamBinding& binding, StreamView) { binding.clear(); }}) {
    for (int again = 0; again < 2; ++again) {
      change(record_.binding, stream_);
      EXPECT_EQ(mode_in_call(), 0) << "the mode is not off, so stock Torch-TensorRT keeps its old graph";
      EXPECT_EQ(mode(), 1) << "the mode was not restored after the call";
      EXPECT_EQ(mode_in_call(), 1);
    }
  }
  bind(other_);
  EXPECT_EQ(mode_in_call(), 0);
  EXPECT_EQ(mode_in_call(), 1);
}

TEST_F(GraphModeTest, AFailedCallIsNotTheFirstCall) {
  set_mode(1);
  bind(stream_);
  EXPECT_EQ(mode_in_call(true), 0);
  EXPECT_EQ(mode(), 1);
  EXPECT_EQ(mode_in_call(), 0);
  EXPECT_EQ(mode_in_call(), 1);
}

TEST_F(GraphModeTest, AChangeDuringACallAffectsTheNextCall) {
  set_mode(1);
  bind(stream_);
  {
    GraphModeScope scope(record_);
    bind(other_);
    scope.finish();
  }
  EXPECT_EQ(mode_in_call(), 0);
  EXPECT_EQ(mode_in_call(), 1);
}

TEST_F(GraphModeTest, OtherModesAreUnchanged) {
  for (const std::int64_t mode : {0, 2}) {
    set_mode(mode);
    bind(stream_);
    EXPECT_EQ(mode_in_call(), mode);
    EXPECT_EQ(mode_in_call(), mode);
    EXPECT_EQ(GraphModeTest::mode(), mode);
    EXPECT_FALSE(may_have_old_graph()) << "stock Torch-TensorRT drops graphs in these modes by itself";
  }
}

TEST_F(GraphModeTest, GraphsStayOffUntilAllCallsAreDone) {
  set_mode(1);
  EngineRecord second{device_, "second"};
  bind(stream_);
  second.binding.set(Lane::adopt(device_, stream_));
  std::optional<GraphModeScope> first(std::in_place, record_);
  {
    GraphModeScope other(second);
    EXPECT_EQ(mode(), 0);
    first->finish();
    first.reset();
    EXPECT_EQ(mode(), 0) << "the mode was restored although another call needs it off";
    other.finish();
  }
  EXPECT_EQ(mode(), 1);
  EXPECT_FALSE(may_have_old_graph());
}

TEST_F(GraphModeTest, AModeSetDuringTheCallIsKept) {
  set_mode(1);
  bind(stream_);
  {
    const GraphModeScope scope(record_);
    set_mode(2);
  }
  EXPECT_EQ(mode(), 2);
  set_mode(1);
  {
    GraphModeScope scope(record_);
    set_mode(1);  // on again, so the call may have replayed a graph
    scope.finish();
  }
  EXPECT_EQ(mode_in_call(), 0);
  EXPECT_EQ(mode(), 1);
}

TEST_F(GraphModeTest, AnEngineWithAnOutputAllocatorHasNoGraphs) {
  set_mode(1);
  EngineRecord record{device_, "engine"};
  record.needs_output_allocator = true;
  record.binding.set(Lane::adopt(device_, stream_));
  EXPECT_FALSE(tensorrt::may_have_old_graph(record, c10::IValue()));
}

// Tests with stock Torch-TensorRT's runtime in Python only, where nothing has graphs that greenlane could ask about.
// CTest runs each suite in its own process, so the operators do not exist there.
class WithoutStockTest : public fake::FakeDriverTest {};

TEST_F(WithoutStockTest, AnEngineCanBeBoundTwiceToOneStream) {
  const auto stream = fake_.make_stream();
  EngineRecord record{gpu(), "engine"};
  for (int turn = 0; turn < 2; ++turn) {
    record.binding.set(Lane::adopt(record.binding.device(), stream));
    EXPECT_TRUE(may_have_old_graph(record, c10::IValue()));
    EXPECT_NO_THROW(GraphModeScope(record).finish());
    EXPECT_FALSE(may_have_old_graph(record, c10::IValue()));
  }
}

}  // namespace
}  // namespace greenlane::tensorrt
