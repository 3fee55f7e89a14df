#include "runtime/metrics/metric_families.hpp"
#include "runtime/metrics/web_server.hpp"

#include <greenlane/core/log.hpp>
#include <greenlane/detail/runtime/metrics_endpoint.hpp>

#include <exception>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

namespace greenlane::runtime {

struct MetricsEndpoint::Impl {
  // Absent: there are none.
  [[nodiscard]] std::optional<std::string> text() {
    const std::scoped_lock lock(mutex);
    try {
      return figures ? std::optional(metrics_text(figures())) : std::nullopt;
    } catch (const std::exception& error) {
      warn(std::string("the metrics could not be read: ") + error.what());
      return std::nullopt;
    }
  }

  std::mutex mutex;  // guards the next member, and is held during a scrape
  Figures figures;
  std::unique_ptr<WebServer> server;
};

MetricsEndpoint::MetricsEndpoint(const std::string& address) : impl_(std::make_unique<Impl>()) {
  WebServer::Page page{.path = "/metrics",
                       .content_type = "text/plain; version=0.0.4; charset=utf-8",
                       .text = [impl = impl_.get()] { return impl->text(); }};
  impl_->server = std::make_unique<WebServer>(EndpointAddress::parse(address), std::move(page));
}

MetricsEndpoint::~MetricsEndpoint() = default;

void MetricsEndpoint::watch(Figures figures) {
  const std::scoped_lock lock(impl_->mutex);
  impl_->figures = std::move(figures);
}

std::string MetricsEndpoint::address() const { return impl_->server->address().to_string(); }

}  // namespace greenlane::runtime
