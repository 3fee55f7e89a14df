// Values for tests of edges.
#pragma once

#include "runtime/edges/value.hpp"
#include "support/serving.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace greenlane::runtime {

// Numbers instead of tensors.
class Numbers final : public Payload {
 public:
  explicit Numbers(std::vector<std::uint64_t> numbers, bool is_done = true)
      : numbers_(std::move(numbers)), is_done_(is_done) {}
  [[nodiscard]] bool is_done() const override { return is_done_; }
  void finish() { is_done_ = true; }
  [[nodiscard]] const std::vector<std::uint64_t>& all() const { return numbers_; }

 private:
  std::vector<std::uint64_t> numbers_;
  std::atomic<bool> is_done_;
};

[[nodiscard]] inline std::shared_ptr<Numbers> numbers(std::vector<std::uint64_t> all, bool is_done = true) {
  return std::make_shared<Numbers>(std::move(all), is_done);
}

[[nodiscard]] inline std::uint64_t number(const Payload& payload, std::size_t at = 0) {
  return static_cast<const Numbers&>(payload).all().at(at);
}
[[nodiscard]] inline std::uint64_t number(const ValuePtr& value) { return number(*value->payload); }

// Returns a value with one number and one item of source 0.
[[nodiscard]] inline ValuePtr value(std::uint64_t content, std::uint64_t sequence = 1,
                                    Clock::time_point published = {}) {
  return std::make_shared<Value>(
      Value{.payload = numbers({content}),
            .sequence = sequence,
            .items = SourceItems({.source = 0, .sequence = sequence, .published = published})});
}

// Computes numbers from numbers.
class NumbersWorkload final : public Workload {
 public:
  using Model = std::function<std::vector<std::uint64_t>(const std::vector<std::uint64_t>&)>;
  explicit NumbersWorkload(Model model) : model_(std::move(model)) {}
  void bind(const Lane& /*lane*/) override {}
  void unbind() override {}
  void run() override {}
  void run(Work& work) override { static_cast<FunctionWork&>(work)(); }
  [[nodiscard]] std::shared_ptr<const Payload> begin(std::span<const Feed> inputs) override {
    std::vector<std::uint64_t> all;
    for (const auto& input : inputs) all.push_back(number(*input.payload, input.output));
    return numbers(model_(all));
  }
  [[nodiscard]] bool has_expected_outputs() const override { return false; }
  [[nodiscard]] std::string check() override { return {}; }

 private:
  Model model_;
};

}  // namespace greenlane::runtime
