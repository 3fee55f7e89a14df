// Workloads and works for tests of the serving code.
#pragma once

#include "runtime/serving/request.hpp"

#include <greenlane/detail/runtime/workload.hpp>

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <thread>
#include <utility>

namespace greenlane::runtime {

// A work that is a function.
class FunctionWork final : public Work {
 public:
  explicit FunctionWork(std::function<void()> function = {}) : function_(std::move(function)) {}
  void operator()() const {
    if (function_) function_();
  }

 private:
  std::function<void()> function_;
};

[[nodiscard]] inline std::unique_ptr<Work> work(std::function<void()> function = {}) {
  return std::make_unique<FunctionWork>(std::move(function));
}

[[nodiscard]] inline std::shared_ptr<Request> request(std::function<void()> function = {}, RequestTimes times = {}) {
  if (times.arrival == Clock::time_point()) times.arrival = Clock::now();
  return std::make_shared<Request>(work(std::move(function)), times);
}

// Runs the function of each work.
class FunctionWorkload : public Workload {
 public:
  void bind(const Lane& /*lane*/) override {}
  void unbind() override {}
  void run() override {}
  void run(Work& work) override { static_cast<FunctionWork&>(work)(); }
  [[nodiscard]] bool has_expected_outputs() const override { return false; }
  [[nodiscard]] std::string check() override { return {}; }
};

// A door that works wait at until it is opened.
class Door {
 public:
  void open() { promise_.set_value(); }
  void wait() const {
    has_visitor_ = true;
    future_.wait();
  }
  // Returns when a work waits at the door.
  void await_visitor() const {
    while (!has_visitor_) std::this_thread::yield();
  }

 private:
  mutable std::atomic<bool> has_visitor_{false};
  std::promise<void> promise_;
  std::shared_future<void> future_ = promise_.get_future().share();
};

}  // namespace greenlane::runtime
