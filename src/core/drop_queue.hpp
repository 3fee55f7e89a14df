// Objects that cannot be destroyed where their last user releases them.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

namespace greenlane::detail {

// A queue whose objects are destroyed on a separate thread. CUDA's callbacks put lanes there, because such callbacks
// may not call CUDA. The thread exists from start() until the process ends; later objects are not destroyed.
// Thread safety: all members may be called from any thread.
class DropQueue {
 public:
  // The base class of objects to destroy.
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
  // Starts the thread. Call it before the first put().
  // Throws: std::system_error if no thread can be made.
  void start();
  // Only queues: allocates nothing and makes no CUDA call.
  void put(std::unique_ptr<Entry> entry) noexcept;
  // Blocks until all queued objects are destroyed.
  void wait_until_empty();

 private:
  void work();
  void stop();

  std::mutex mutex_;
  std::condition_variable arrived_;
  std::condition_variable emptied_;
  std::unique_ptr<Entry> first_;  // a stack, because the order does not matter
  bool at_work_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace greenlane::detail
