// A web server that gives figures to Prometheus.
#pragma once

#include <greenlane/runtime/stats.hpp>

#include <functional>
#include <memory>
#include <string>

namespace greenlane::runtime {

// Serves http://HOST:PORT/metrics on a thread of its own, until it is destroyed.
// Thread safety: all members may be called from any thread.
class MetricsEndpoint {
 public:
  using Figures = std::function<PipelineStats()>;

  // `address`: HOST:PORT, or a port of this machine; 0 finds a free port.
  // Throws: ConfigError if it is no address, or nothing can listen there.
  explicit MetricsEndpoint(const std::string& address);
  ~MetricsEndpoint();
  MetricsEndpoint(const MetricsEndpoint&) = delete;
  MetricsEndpoint& operator=(const MetricsEndpoint&) = delete;

  // Gives what `figures` returns to each scrape from now on; empty: nothing, and scrapes fail. Waits for a scrape that
  // is under way.
  void watch(Figures figures);
  // Returns HOST:PORT with the port that it listens at.
  [[nodiscard]] std::string address() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace greenlane::runtime
