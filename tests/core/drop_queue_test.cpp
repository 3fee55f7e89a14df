#include "core/drop_queue.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

namespace greenlane::detail {
namespace {

class Counted final : public DropQueue::Entry {
 public:
  explicit Counted(std::atomic<int>& gone) : gone_(gone) {}
  ~Counted() override {
    if (std::this_thread::get_id() != maker_) ++gone_;
  }

 private:
  std::atomic<int>& gone_;
  std::thread::id maker_ = std::this_thread::get_id();
};

TEST(DropQueue, EntriesOfManyThreadsAreDestroyed) {
  auto& queue = DropQueue::instance();
  queue.start();
  queue.start();  // the second start changes nothing
  std::atomic<int> gone{0};
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 1000; ++n) queue.put(std::make_unique<Counted>(gone));
    });
  }
  for (auto& thread : threads) thread.join();
  queue.wait_until_empty();
  EXPECT_EQ(gone, 4000);
}

TEST(DropQueue, ADestructorMayQueueMoreEntries) {
  class Chain final : public DropQueue::Entry {
   public:
    Chain(int left, std::atomic<int>& gone) : left_(left), gone_(gone) {}
    ~Chain() override {
      ++gone_;
      if (left_ > 0) DropQueue::instance().put(std::make_unique<Chain>(left_ - 1, gone_));
    }

   private:
    int left_;
    std::atomic<int>& gone_;
  };
  auto& queue = DropQueue::instance();
  queue.start();
  std::atomic<int> gone{0};
  queue.put(std::make_unique<Chain>(9, gone));
  queue.wait_until_empty();
  EXPECT_EQ(gone, 10);
}

// The queue's thread does not exist in the child, which must not wait for it.
TEST(DropQueue, AForkedProcessEnds) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "LeakSanitizer reports memory of the parent's threads as leaked in the child";
#endif
  DropQueue::instance().start();
  const pid_t child = fork();
  if (child == 0) std::exit(7);  // NOLINT(concurrency-mt-unsafe): this is under test
  int status = 0;
  for (int i = 0; waitpid(child, &status, WNOHANG) == 0; ++i) {
    if (i == 3000) {
      kill(child, SIGKILL);
      waitpid(child, &status, 0);
      FAIL() << "the forked process hangs at its exit";
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 7);
}

}  // namespace
}  // namespace greenlane::detail
