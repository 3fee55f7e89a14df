// A web server that answers one path.
#pragma once

#include "runtime/metrics/endpoint_address.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace greenlane::runtime {

// Answers GET and HEAD for one path over HTTP, on a thread of its own. Clients that say nothing for a second are left,
// and a request that is larger than 8 KiB is refused. More than 32 clients at once wait for each other. Child processes
// do not inherit its sockets; a forked child has them, but nobody listens any more once the parent's server ends.
// Thread safety: none.
class WebServer {
 public:
  struct Page {
    std::string path;          // such as "/metrics"
    std::string content_type;  // of its text
    // Called on the server's thread. Must not throw. Absent: there is nothing to give now (503).
    std::function<std::optional<std::string>()> text;
  };

  // Throws: ConfigError if nothing can listen at the address. Port 0 is a free one.
  WebServer(const EndpointAddress& address, Page page);
  // Ends at once, but waits for a call of `text` that is under way.
  ~WebServer();
  WebServer(const WebServer&) = delete;
  WebServer& operator=(const WebServer&) = delete;

  // Returns the address with the port that it listens at.
  [[nodiscard]] EndpointAddress address() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace greenlane::runtime
