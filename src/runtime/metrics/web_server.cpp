#include "runtime/metrics/web_server.hpp"

#include <greenlane/core/error.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <functional>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>

namespace greenlane::runtime {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using boost::system::error_code;

// Keeps signals from the threads that are started meanwhile, because the program's threads expect them.
class WithoutSignals {
 public:
  WithoutSignals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &former_);
  }
  ~WithoutSignals() { pthread_sigmask(SIG_SETMASK, &former_, nullptr); }
  WithoutSignals(const WithoutSignals&) = delete;
  WithoutSignals& operator=(const WithoutSignals&) = delete;

 private:
  sigset_t former_{};
};

// Programs that this process starts must not hold the address.
void leave_to_no_child(int socket) { (void)fcntl(socket, F_SETFD, FD_CLOEXEC); }

// One request of a client.
class Session : public std::enable_shared_from_this<Session> {
 public:
  // `at_end` is called when the client is gone.
  Session(tcp::socket socket, const WebServer::Page& page, std::function<void()> at_end)
      : stream_(std::move(socket)), page_(page), at_end_(std::move(at_end)) {
    parser_.header_limit(8192);
    parser_.body_limit(0);
  }
  ~Session() { at_end_(); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void read() {
    stream_.expires_after(kLongest);
    http::async_read(stream_, buffer_, parser_, [self = shared_from_this()](error_code error, std::size_t /*bytes*/) {
      if (!error) {
        self->answer();
      } else if (error == http::error::header_limit || error == http::error::body_limit) {
        self->write(http::status::payload_too_large, "the request is too large\n");
      } else if (error.category() == http::make_error_code(http::error::bad_method).category() &&
                 error != http::error::end_of_stream) {
        self->write(http::status::bad_request, "this is no request of HTTP\n");
      }
    });
  }

 private:
  static constexpr std::chrono::seconds kLongest{1};

  void answer() {
    const auto& request = parser_.get();
    const auto target = request.target();
    const std::string_view path(target.data(), std::min(target.find('?'), target.size()));
    if (path != page_.path) {
      write(http::status::not_found, "there is " + page_.path + " only\n");
    } else if (request.method() == http::verb::get || request.method() == http::verb::head) {
      if (auto text = page_.text()) {
        response_.set(http::field::content_type, page_.content_type);
        write(http::status::ok, std::move(*text));
      } else {
        write(http::status::service_unavailable, "there are no figures now\n");
      }
    } else {
      write(http::status::method_not_allowed, "use GET\n");
    }
  }

  void write(http::status status, std::string text) {
    response_.result(status);
    response_.keep_alive(false);
    response_.body() = std::move(text);
    response_.prepare_payload();
    if (parser_.get().method() == http::verb::head) response_.body().clear();
    stream_.expires_after(kLongest);
    http::async_write(stream_, response_, [self = shared_from_this()](error_code error, std::size_t /*bytes*/) {
      if (!error) (void)shutdown(self->stream_.socket().native_handle(), SHUT_WR);
    });
  }

  beast::tcp_stream stream_;
  beast::flat_buffer buffer_;
  http::request_parser<http::empty_body> parser_;
  http::response<http::string_body> response_;
  const WebServer::Page& page_;
  std::function<void()> at_end_;
};

}  // namespace

struct WebServer::Impl {
  explicit Impl(Page served) : page(std::move(served)) {}

  void listen(const EndpointAddress& address) {
    try {
      const tcp::endpoint endpoint(asio::ip::make_address(address.host), address.port);
      acceptor.open(endpoint.protocol());
      leave_to_no_child(acceptor.native_handle());
      acceptor.set_option(tcp::acceptor::reuse_address(true));
      acceptor.bind(endpoint);
      acceptor.listen();
    } catch (const boost::system::system_error& error) {
      throw ConfigError({.what = "nothing can listen at " + address.to_string(),
                         .why = error.code().message(),
                         .remedy = "choose another address or port"});
    }
  }

  void accept() {
    if (is_accepting || clients == kMostClients || has_ended) return;
    is_accepting = true;
    acceptor.async_accept([this](error_code error, tcp::socket socket) {
      is_accepting = false;
      if (!error) {
        leave_to_no_child(socket.native_handle());
        ++clients;
        std::make_shared<Session>(std::move(socket), page, [this] {
          --clients;
          accept();
        })->read();
        accept();
        return;
      }
      if (error == asio::error::operation_aborted) return;
      // The process has no file descriptors left, for now.
      pause.expires_after(std::chrono::milliseconds(100));
      pause.async_wait([this](error_code ended) {
        if (!ended) accept();
      });
    });
  }

  static constexpr int kMostClients = 32;

  const Page page;
  int clients = 0;  // this and the following members belong to the server's thread
  bool is_accepting = false;
  bool has_ended = false;
  asio::io_context context{1};
  tcp::acceptor acceptor{context};
  asio::steady_timer pause{context};
  std::thread thread;
};

WebServer::WebServer(const EndpointAddress& address, Page page) : impl_(std::make_unique<Impl>(std::move(page))) {
  impl_->listen(address);
  impl_->accept();
  const WithoutSignals scope;
  impl_->thread = std::thread([impl = impl_.get()] {
    (void)pthread_setname_np(pthread_self(), "greenlane web");
    impl->context.run();
  });
}

WebServer::~WebServer() {
  impl_->context.stop();
  impl_->thread.join();
  impl_->has_ended = true;
  // Ends the listening in forked children, too, which frees the address.
  (void)shutdown(impl_->acceptor.native_handle(), SHUT_RDWR);
}

EndpointAddress WebServer::address() const {
  error_code error;
  const auto endpoint = impl_->acceptor.local_endpoint(error);
  return {.host = endpoint.address().to_string(), .port = endpoint.port()};
}

}  // namespace greenlane::runtime
