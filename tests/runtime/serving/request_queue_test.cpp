#include "runtime/serving/request_queue.hpp"

#include "support/serving.hpp"

#include <gmock/gmock.h>

#include <string>
#include <vector>

namespace greenlane::runtime {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr auto kAtOnce = Clock::time_point::min();

class Rows final : public Work {
 public:
  explicit Rows(std::int64_t rows) : rows_(rows) {}
  [[nodiscard]] std::int64_t rows() const override { return rows_; }

 private:
  std::int64_t rows_;
};

class RequestQueueTest : public ::testing::Test {
 protected:
  // Queues a request of so many rows.
  std::shared_ptr<Request> push(std::int64_t rows, RequestTimes times = {}) {
    times.arrival = start_ + times.arrival.time_since_epoch();
    auto request = std::make_shared<Request>(std::make_unique<Rows>(rows), times);
    queue_.push(request);
    return request;
  }
  std::vector<std::int64_t> take() {
    RequestQueue::Requests run;
    queue_.take(run);
    std::vector<std::int64_t> rows;
    for (const auto& each : run) rows.push_back(each->rows());
    return rows;
  }
  static RequestTimes at(milliseconds time) { return {.arrival = Clock::time_point(time)}; }

  Clock::time_point start_ = Clock::now();
  RequestQueue queue_{BatchLimits{.rows = 8, .delay = milliseconds(5)}};
};

TEST_F(RequestQueueTest, WithoutBatchesEachRequestRunsAlone) {
  queue_ = RequestQueue({});
  EXPECT_EQ(queue_.due(), std::nullopt);
  push(1);
  push(2);
  EXPECT_EQ(queue_.due(), kAtOnce);
  EXPECT_THAT(take(), ElementsAre(1));
  EXPECT_THAT(take(), ElementsAre(2));
  EXPECT_TRUE(queue_.empty());
}

TEST_F(RequestQueueTest, ARunWaitsForItsOldestRequestsDelay) {
  push(1, at(milliseconds(3)));
  push(1, at(milliseconds(7)));
  EXPECT_EQ(queue_.due(), start_ + milliseconds(8));
}

TEST_F(RequestQueueTest, AFullRunIsDueAtOnce) {
  push(5);
  EXPECT_EQ(queue_.due(), start_ + milliseconds(5));
  push(3);
  EXPECT_EQ(queue_.due(), kAtOnce);
  EXPECT_THAT(take(), ElementsAre(5, 3));
}

TEST_F(RequestQueueTest, ARunThatTheNextRequestDoesNotFitIsDueAtOnce) {
  push(5);
  push(4);
  push(1);
  EXPECT_EQ(queue_.due(), kAtOnce);
  EXPECT_THAT(take(), ElementsAre(5));
  EXPECT_THAT(take(), ElementsAre(4, 1));
}

TEST_F(RequestQueueTest, WithoutADelayARunIsDueAtOnceAndTakesAllThatFits) {
  queue_ = RequestQueue(BatchLimits{.rows = 8});
  for (int i = 0; i < 3; ++i) push(1);
  EXPECT_EQ(queue_.due(), kAtOnce);
  EXPECT_THAT(take(), ElementsAre(1, 1, 1));
}

TEST_F(RequestQueueTest, ARunLeavesTimeForItsDeadlines) {
  queue_.note_run(milliseconds(1));
  auto times = at(milliseconds(0));
  times.deadline = milliseconds(4);
  push(1, times);
  // The run may take 1.25 ms, so 2.75 ms are left. A quarter of them is kept for threads that wake up late.
  const auto waits = queue_.due().value() - start_;
  EXPECT_NEAR(std::chrono::duration<double>(waits).count(), 0.75 * 2.75e-3, 0.1e-3);
}

TEST_F(RequestQueueTest, ADeadlineBeforeAnyRunIsKnownDoesNotWait) {
  auto times = at(milliseconds(0));
  times.deadline = milliseconds(1000);
  push(1, times);
  EXPECT_EQ(queue_.due(), kAtOnce);
}

TEST_F(RequestQueueTest, OneLongRunIsForgottenInTime) {
  queue_.note_run(milliseconds(100));
  for (int i = 0; i < 200; ++i) queue_.note_run(milliseconds(1));
  auto times = at(milliseconds(0));
  times.deadline = milliseconds(4);
  push(1, times);
  EXPECT_GT(queue_.due().value(), start_ + std::chrono::microseconds(1500));
}

TEST_F(RequestQueueTest, PrioritiesComeFirstAndEachInItsOrder) {
  const auto with = [](std::uint32_t priority) { return RequestTimes{.arrival = {}, .priority = priority}; };
  queue_ = RequestQueue({});
  push(1, with(0));
  push(2, with(2));
  push(3, with(1));
  push(4, with(0));
  push(5, with(1));
  push(6, with(4'294'967'295U));
  std::vector<std::int64_t> order;
  while (!queue_.empty()) order.push_back(take().front());
  EXPECT_THAT(order, ElementsAre(3, 5, 2, 1, 4, 6));
}

TEST_F(RequestQueueTest, ARequestIsRemovedOnce) {
  const auto one = push(1);
  const auto other = push(2);
  EXPECT_EQ(queue_.remove(*one), one);
  EXPECT_EQ(queue_.remove(*one), nullptr);
  EXPECT_THAT(queue_.take_all(), ElementsAre(other));
  EXPECT_THAT(queue_.take_all(), IsEmpty());
}

}  // namespace
}  // namespace greenlane::runtime
