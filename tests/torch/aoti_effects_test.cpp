#include "support/torch_models.hpp"
#include "torch/package_effects.hpp"

#include <ATen/ATen.h>
#include <caffe2/serialize/inline_container.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace greenlane::detail {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::string record_of(const std::string& model, const std::string& ending) {
  caffe2::serialize::PyTorchStreamReader reader(models::path_of(model + ".pt2"));
  for (const auto& record : reader.getAllRecords()) {
    if (!record.ends_with(ending)) continue;
    const auto [data, size] = reader.getRecord(record);
    return {static_cast<const char*>(data.get()), size};
  }
  return {};
}

PackageEffects effects_of(const std::string& model, std::size_t inputs) {
  return effects_of_source(record_of(model, ".wrapper.cpp"), inputs, record_of(model, ".wrapper.json"));
}

// The effects that a package's source states, compared with a run of the package.

TEST(AotiEffects, AModelWithoutWritesHasNoEffects) {
  for (const auto& [model, inputs] : {std::pair<std::string, std::size_t>{"affine", 1}, {"pair", 2}, {"throws", 1}}) {
    const auto effects = effects_of(model, inputs);
    EXPECT_TRUE(effects.is_known) << model;
    EXPECT_EQ(effects.writes_input, std::vector<bool>(inputs, false)) << model;
    EXPECT_THAT(effects.written_constants(), IsEmpty()) << model;
    EXPECT_FALSE(effects.draws_random_numbers || effects.has_hidden_state) << model;
  }
  EXPECT_FALSE(effects_of("stripped", 1).is_known);
}

TEST(AotiEffects, AnInPlaceAddWritesToTheBuffer) {
  const auto effects = effects_of("accumulates", 1);
  ASSERT_TRUE(effects.is_known);
  EXPECT_THAT(effects.written_constants(), ElementsAre("sum"));
  EXPECT_EQ(effects.constants.size(), 2U);
  EXPECT_EQ(effects.writes_input, std::vector<bool>{false});

  const auto engine = models::load("accumulates");
  const auto inputs = models::inputs_of("accumulates");
  const at::Tensor first = engine->run(inputs).at(0);
  EXPECT_TRUE(at::allclose(first, inputs.at(0) * 2));
  EXPECT_TRUE(at::allclose(engine->run(inputs).at(0), first * 2));
  EXPECT_TRUE(at::equal(inputs.at(0), models::inputs_of("accumulates").at(0)));
}

TEST(AotiEffects, AnInPlaceAddWritesToTheInput) {
  const auto effects = effects_of("in_place", 2);
  ASSERT_TRUE(effects.is_known);
  EXPECT_THAT(effects.writes_input, ElementsAre(true, false));
  EXPECT_THAT(effects.constants, IsEmpty());

  const auto inputs = models::inputs_of("in_place");
  const auto outputs = models::load("in_place")->run(inputs);
  const auto before = models::inputs_of("in_place");
  EXPECT_TRUE(at::allclose(inputs.at(0).slice(0, 1), before.at(0).slice(0, 1) + before.at(1)));
  EXPECT_TRUE(at::equal(inputs.at(1), before.at(1)));
  EXPECT_TRUE(outputs.at(0).is_alias_of(inputs.at(0)));
}

TEST(AotiEffects, CustomClassesMayKeepState) {
  const auto effects = effects_of("inner", 1);
  EXPECT_TRUE(effects.is_known);
  EXPECT_TRUE(effects.has_hidden_state);
}

}  // namespace
}  // namespace greenlane::detail
