// Objects that cannot be destroyed where their last user lets go of them.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

namespace greenlane::detail {

// Destroys what is put there in a thread of its own. CUDA's callbacks put lanes there, because such callbacks may not
// call CUDA. The thread exists from start() until the process ends; what comes later stays where it is.
// Thread safety: all members.
class DropQueue {
 public:
  // Derive from it to have something destroyed.
  class Entry {
   public:
    virtual ~Entry() = default;
    Entry() = default;
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;

   private:
    friend class DropQueue;
    std::unique_ptr<Entry> next_;
  };

  static DropQueue& instance();
  // To be called before the first put(). Throws std::system_error where no thread can be made.
  void start();
  // Only queues: allocates nothing, calls nothing of CUDA.
  void put(std::unique_ptr<Entry> entry) noexcept;
  // Blocks until everything is destroyed that was put there.
  void wait_until_empty();

 private:
  void work();
  void stop();

  std::mutex mutex_;
  std::condition_variable arrived_;
  std::condition_variable emptied_;
  std::unique_ptr<Entry> first_;  // a stack: the order does not matter
  bool at_work_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace greenlane::detail
