#include "support/fake_driver_test.hpp"
#include "torch/tensorrt/context_setting.hpp"
#include "torch/tensorrt/engine_table.hpp"

#include <ATen/Functions.h>
#include <gtest/gtest.h>

#include <array>

namespace greenlane::tensorrt {
namespace {

class ContextTest : public fake::FakeDriverTest {
 protected:
  ContextTest() : FakeDriverTest({.gpus = {fake::Gpu{}}}) {}
  // Notes a call on these shapes, and returns whether the context changed.
  bool changes(const std::vector<std::int64_t>& shape) {
    const auto before = record_.context_changes->load();
    const std::array inputs{at::empty(shape)};
    record_.note_context(context_setting(c10::IValue(), inputs));
    return record_.context_changes->load() != before;
  }
  EngineRecord record_{gpu(), "engine"};
};

TEST_F(ContextTest, AnotherShapeChangesTheContext) {
  EXPECT_TRUE(changes({2, 3}));
  EXPECT_FALSE(changes({2, 3}));
  EXPECT_TRUE(changes({3, 2}));
  EXPECT_TRUE(changes({6}));
  EXPECT_FALSE(changes({6}));
  EXPECT_TRUE(changes({2, 3})) << "the context is not what it was for the first call any more";
}

TEST_F(ContextTest, ShapesAreNotMistakenForEachOther) {
  const std::array one{at::empty({2}), at::empty({3})};
  const std::array other{at::empty({2, 3})};
  EXPECT_NE(context_setting(c10::IValue(), one), context_setting(c10::IValue(), other));
}

// What a graph was captured from is out of date after a change of the context.
TEST_F(ContextTest, ACaptureNotesTheContext) {
  (void)changes({1});
  const detail::CaptureScope scope(detail::CaptureScope::Purpose::rehearsal);
  detail::CaptureScope::note(record_.binding, record_.context_changes);
  ASSERT_EQ(scope.bindings().size(), 1U);
  const auto& noted = scope.bindings().front();
  EXPECT_EQ(noted.generation->load(), noted.value);
  (void)changes({2});
  EXPECT_NE(noted.generation->load(), noted.value);
}

}  // namespace
}  // namespace greenlane::tensorrt
