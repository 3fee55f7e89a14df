#include "support/fake_driver_test.hpp"
#include "torch/tensorrt/graph_mode.hpp"

#include <greenlane/torch/tensor_io.hpp>
#include <greenlane/torch/tensorrt.hpp>

#include <ATen/core/dispatch/Dispatcher.h>
#include <gtest/gtest.h>

#include <optional>

namespace greenlane::tensorrt {
namespace {

// The modes of stock, as the stand-in for its runtime keeps them.
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

  // The mode that stock sees in a call on this stream.
  std::int64_t mode_in_call(StreamView stream) {
    const GraphModeScope scope(record_, stream);
    return mode();
  }

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

TEST_F(GraphModeTest, OnAnotherStreamStockRecordsAnewByItself) {
  set_mode(1);
  record_.binding.set(stream_);
  EXPECT_EQ(mode_in_call(stream_), 1);
  record_.binding.set(other_);
  EXPECT_EQ(mode_in_call(other_), 1);
  EXPECT_EQ(mode_in_call(other_), 1);
}

TEST_F(GraphModeTest, ANewStreamWithAnOldHandleMakesItRecordAnew) {
  set_mode(1);
  record_.binding.set(stream_);
  EXPECT_EQ(mode_in_call(stream_), 1);
  record_.binding.set(stream_);  // for all that stock can see, the same
  EXPECT_EQ(mode_in_call(stream_), 0) << "graphs are off in the first call, so that stock drops what it recorded";
  EXPECT_EQ(mode(), 1) << "and on again after it";
  EXPECT_EQ(mode_in_call(stream_), 1);
}

TEST_F(GraphModeTest, OtherModesAreLeftAlone) {
  for (const std::int64_t mode : {0, 2}) {
    set_mode(mode);
    record_.binding.set(stream_);
    EXPECT_EQ(mode_in_call(stream_), mode);
    record_.binding.set(stream_);
    EXPECT_EQ(mode_in_call(stream_), mode);
    EXPECT_EQ(GraphModeTest::mode(), mode);
  }
}

// Where only stock's runtime in Python is there: nothing has graphs that it could tell of. In a process of its own, as
// CTest runs it, the operators are not there.
class WithoutStockTest : public fake::FakeDriverTest {};

TEST_F(WithoutStockTest, AnEngineCanBeBoundTwiceToOneStream) {
  const auto stream = fake_.make_stream();
  EngineRecord record{gpu(), "engine"};
  for (int turn = 0; turn < 2; ++turn) {
    record.binding.set(stream);
    EXPECT_NO_THROW(GraphModeScope(record, stream));
  }
}

}  // namespace
}  // namespace greenlane::tensorrt
