// A workload that runs a function of the test.
#pragma once

#include <greenlane/detail/runtime/workload.hpp>

#include <chrono>
#include <functional>
#include <utility>
#include <vector>

namespace greenlane::runtime {

class FakeWorkload final : public Workload {
 public:
  // Takes a function that is called with the number of the run, from 0 on.
  explicit FakeWorkload(std::function<void(int)> work = {}) : work_(std::move(work)) {}

  void bind(const Lane& /*lane*/) override {}
  void unbind() override {}
  void run() override {
    const int number = runs_++;
    if (work_) work_(number);
  }
  void run(Work& /*work*/) override { run(); }
  [[nodiscard]] bool has_expected_outputs() const override { return false; }
  [[nodiscard]] std::string check() override { return {}; }

  [[nodiscard]] bool may_be_warmed_up() const override { return may_be_warmed_up_; }
  void set_may_be_warmed_up(bool may) { may_be_warmed_up_ = may; }
  void reset_state() override { resets_.push_back(runs_); }
  // Returns the runs before which the state was put back.
  [[nodiscard]] const std::vector<int>& resets() const { return resets_; }

  void expect(std::chrono::steady_clock::time_point from) override { expected_.push_back(from); }

  [[nodiscard]] int runs() const { return runs_; }
  // Returns the times from which on each request was expected.
  [[nodiscard]] const std::vector<std::chrono::steady_clock::time_point>& expected() const { return expected_; }

 private:
  std::function<void(int)> work_;
  int runs_ = 0;
  bool may_be_warmed_up_ = true;
  std::vector<int> resets_;
  std::vector<std::chrono::steady_clock::time_point> expected_;
};

}  // namespace greenlane::runtime
