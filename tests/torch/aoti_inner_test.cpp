#include "support/matchers.hpp"
#include "support/torch_models.hpp"

#include <greenlane/core/binding.hpp>
#include <greenlane/core/error.hpp>
#include <greenlane/detail/torch/versions.hpp>
#include <greenlane/torch/bindable.hpp>

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <string_view>

namespace greenlane {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// Tests of a package whose model multiplies by 2 and by 3, in two engines of the class in
// tests/support/scaler_class.cpp.
class AotiInnerTest : public ::testing::Test {
 protected:
  static std::shared_ptr<AotiEngine> load_inner(AotiOptions options = {}) {
    static const bool loaded = (load_operator_library(GREENLANE_TEST_SCALER), true);
    (void)loaded;
    return models::load("inner", std::move(options));
  }

  static std::int64_t thread_of(const Lane& lane) {
    std::int64_t id = 0;
    lane.run([&] { id = gettid(); });
    return id;
  }

  // Checks the result. Returns the threads that the first and the second engine ran on.
  static std::pair<std::int64_t, std::int64_t> threads(AotiEngine& engine) {
    const auto outputs = engine.run(models::inputs_of("inner"));
    EXPECT_EQ(outputs.at(0).sum().item<float>(), 24.0F);
    return {outputs.at(1).item<std::int64_t>(), outputs.at(2).item<std::int64_t>()};
  }

  Device cpu_ = Device::open("cpu");
  Lane one_ = Lane::create(cpu_, {.name = "one"});
  Lane other_ = Lane::create(cpu_, {.name = "other"});
};

bool gives_access_to_engines() {
  const std::string_view version = torch_version();
  return version.substr(0, 4) >= "2.13";
}

TEST_F(AotiInnerTest, InnerEnginesHaveTheirNames) {
  const auto engine = load_inner();
  if (!gives_access_to_engines()) GTEST_SKIP() << "this PyTorch does not give access to the engines in a package";
  const auto inner = engine->inner_engines();
  ASSERT_EQ(inner.size(), 2U);
  EXPECT_EQ(inner[0].name, "first");
  EXPECT_EQ(inner[1].name, "second");
  EXPECT_NE(inner[0].key, inner[1].key);
  EXPECT_FALSE(inner[0].binding->is_set());
}

TEST_F(AotiInnerTest, EachInnerEngineRunsOnItsLane) {
  const auto engine = load_inner();
  if (!gives_access_to_engines()) GTEST_SKIP() << "this PyTorch does not give access to the engines in a package";
  EXPECT_EQ(threads(*engine), std::pair(std::int64_t{gettid()}, std::int64_t{gettid()}));
  engine->bind_inner({{"first", one_}, {"second", other_}});
  EXPECT_EQ(threads(*engine), std::pair(thread_of(one_), thread_of(other_)));
  engine->bind_inner({{"first", other_}});
  EXPECT_EQ(threads(*engine), std::pair(thread_of(other_), thread_of(other_)));
  engine->inner_engines().front().binding->clear();
  EXPECT_EQ(threads(*engine), std::pair(std::int64_t{gettid()}, thread_of(other_)));
}

TEST_F(AotiInnerTest, AnInnerEngineIsFoundByItsKey) {
  const auto engine = load_inner();
  if (!gives_access_to_engines()) GTEST_SKIP() << "this PyTorch does not give access to the engines in a package";
  engine->bind_inner({{engine->inner_engines().at(1).key, one_}});
  EXPECT_EQ(threads(*engine), std::pair(std::int64_t{gettid()}, thread_of(one_)));
}

TEST_F(AotiInnerTest, AnInnerEngineLeavesThePackagesLaneForItsOwn) {
  const auto engine = load_inner({.lane = one_});
  if (!gives_access_to_engines()) GTEST_SKIP() << "this PyTorch does not give access to the engines in a package";
  engine->bind_inner({{"second", other_}});
  EXPECT_EQ(threads(*engine), std::pair(thread_of(one_), thread_of(other_)));
}

TEST_F(AotiInnerTest, SeveralRunnersShareTheInnerEngines) {
  const auto engine = load_inner({.num_runners = 3});
  if (!gives_access_to_engines()) GTEST_SKIP() << "this PyTorch does not give access to the engines in a package";
  engine->bind_inner({{"first", one_}, {"second", one_}});
  for (int i = 0; i < 6; ++i) EXPECT_EQ(threads(*engine), std::pair(thread_of(one_), thread_of(one_)));
}

TEST_F(AotiInnerTest, TwoPackagesHaveSeparateInnerEngines) {
  const auto engine = load_inner();
  const auto same_file = load_inner();
  if (!gives_access_to_engines()) GTEST_SKIP() << "this PyTorch does not give access to the engines in a package";
  engine->bind_inner({{"first", one_}});
  EXPECT_EQ(threads(*same_file), std::pair(std::int64_t{gettid()}, std::int64_t{gettid()}));
}

TEST_F(AotiInnerTest, UnknownNamesAreListedAndNothingIsBound) {
  const auto engine = load_inner();
  if (!gives_access_to_engines()) GTEST_SKIP() << "this PyTorch does not give access to the engines in a package";
  EXPECT_THAT([&] { engine->bind_inner({{"first", one_}, {"third", one_}, {"fourth", one_}}); },
              ThrowsMessage<EngineError>(
                  AllOf(HasSubstr("'third', 'fourth'"), HasSubstr("there are: first ("), HasSubstr("second ("))));
  EXPECT_EQ(threads(*engine), std::pair(std::int64_t{gettid()}, std::int64_t{gettid()}));
}

TEST_F(AotiInnerTest, OneRefusedLaneLeavesAllBindingsUnchanged) {
  const auto engine = load_inner();
  if (!gives_access_to_engines()) GTEST_SKIP() << "this PyTorch does not give access to the engines in a package";
  other_.close();
  EXPECT_THROW(engine->bind_inner({{"first", one_}, {"second", other_}}), StreamError);
  EXPECT_EQ(threads(*engine), std::pair(std::int64_t{gettid()}, std::int64_t{gettid()}));
}

TEST_F(AotiInnerTest, APackageWithoutInnerEnginesIsRefused) {
  const auto engine = models::load("affine");
  if (!gives_access_to_engines()) GTEST_SKIP() << "this PyTorch does not give access to the engines in a package";
  EXPECT_TRUE(engine->inner_engines().empty());
  EXPECT_THAT([&] { engine->bind_inner({{"first", one_}}); },
              ThrowsMessage<EngineError>(HasSubstr("there are none that greenlane can bind")));
}

TEST_F(AotiInnerTest, AnOlderPyTorchIsRefusedWithTheNeededVersion) {
  if (gives_access_to_engines()) GTEST_SKIP() << "this PyTorch gives access to the engines in a package";
  const auto engine = models::load("affine");
  EXPECT_THAT([&] { (void)engine->inner_engines(); }, ThrowsMessage<EngineError>(HasSubstr("PyTorch 2.13 or newer")));
}

TEST_F(AotiInnerTest, OtherObjectsAreNotBindable) {
  EXPECT_EQ(find_bindable(c10::IValue(3)), nullptr);
  EXPECT_FALSE(is_bindable(c10::IValue()));
}

}  // namespace
}  // namespace greenlane
