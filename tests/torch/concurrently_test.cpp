// Graphs, as far as they can be tested without a GPU.
#include <greenlane/core/error.hpp>
#include <greenlane/torch/pipeline_graph.hpp>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <stdexcept>

namespace greenlane {
namespace {

TEST(Concurrently, BranchesOnTheCpuRunInOrder) {
  std::vector<int> order;
  const auto branch = [&](int number) {
    return [&order, number]() -> std::vector<at::Tensor> {
      order.push_back(number);
      return {at::full({1}, number)};
    };
  };
  const auto results = concurrently(Device::open("cpu"), {branch(1), branch(2), branch(3)});
  EXPECT_EQ(order, (std::vector{1, 2, 3}));
  ASSERT_EQ(results.size(), 3U);
  EXPECT_EQ(results[2].at(0).item<int>(), 3);
}

TEST(Concurrently, ABranchRethrowsItsException) {
  EXPECT_THROW((void)concurrently(Device::open("cpu"),
                                  {[]() -> std::vector<at::Tensor> { throw std::runtime_error("its own"); }}),
               std::runtime_error);
}

TEST(PipelineGraph, TheCpuHasNoPipelineGraph) {
  EXPECT_THROW((void)PipelineGraph::capture(Device::open("cpu"), {}, [](const auto& inputs) { return inputs; }),
               EngineError);
}

}  // namespace
}  // namespace greenlane
