// Admits the requests of one tenant: the user of some engines, whose load must not hurt others.
#pragma once

#include "runtime/serving/request.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

namespace greenlane::runtime {

struct TenantOptions {
  std::string name;
  double weight = 1;                   // see FairTurns
  std::optional<std::size_t> waiting;  // the most requests that wait for its engines; absent: any number
  std::optional<double> rate_hz;       // the most requests per second; absent: any
  double burst = 1;                    // the most requests at once, after a pause
};

// Thread safety: all members may be called from any thread.
class Tenant : public std::enable_shared_from_this<Tenant> {
 public:
  explicit Tenant(TenantOptions options) : options_(std::move(options)), tokens_(options_.burst) {}

  [[nodiscard]] const TenantOptions& options() const noexcept { return options_; }

  // The place of a request that waits. The destructor gives it up.
  class Place {
   public:
    Place() = default;
    explicit Place(std::shared_ptr<Tenant> tenant) : tenant_(std::move(tenant)) {}
    ~Place() { give_up(); }
    Place(Place&& other) noexcept = default;
    Place& operator=(Place&& other) noexcept {
      give_up();
      tenant_ = std::move(other.tenant_);
      return *this;
    }
    void give_up() noexcept {
      if (tenant_) --tenant_->waiting_;
      tenant_.reset();
    }

   private:
    std::shared_ptr<Tenant> tenant_;
  };

  // Returns a place for a request that comes now.
  // Throws: RequestError (queue_full, too_many).
  [[nodiscard]] Place admit(Clock::time_point now);
  // Counts the time of a run.
  void count_run(std::chrono::nanoseconds time) noexcept { busy_ += time.count(); }

  // Requests that wait now, that were refused since the pipeline was opened, and the time of all runs.
  [[nodiscard]] std::size_t waiting() const noexcept { return waiting_; }
  [[nodiscard]] std::uint64_t refused() const noexcept { return refused_; }
  [[nodiscard]] std::chrono::nanoseconds busy() const noexcept { return std::chrono::nanoseconds(busy_); }

 private:
  // Takes one of the tokens that fill the bucket at the tenant's rate. Returns false if there is none.
  bool take_token(Clock::time_point now);
  [[noreturn]] void refuse(const std::string& why, const std::string& remedy, RequestError::Reason reason);

  const TenantOptions options_;
  std::atomic<std::size_t> waiting_{0};
  std::atomic<std::uint64_t> refused_{0};
  std::atomic<std::chrono::nanoseconds::rep> busy_{0};
  std::mutex mutex_;  // guards the following members
  double tokens_;
  std::optional<Clock::time_point> filled_;
};

}  // namespace greenlane::runtime
