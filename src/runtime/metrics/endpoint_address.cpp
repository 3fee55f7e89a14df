#include "runtime/metrics/endpoint_address.hpp"

#include <greenlane/core/error.hpp>

#include <arpa/inet.h>
#include <sys/socket.h>

#include <array>
#include <charconv>
#include <optional>

namespace greenlane::runtime {
namespace {

constexpr std::string_view kLoopback = "127.0.0.1";

std::optional<std::uint16_t> port_of(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(port) : std::nullopt;
}

[[noreturn]] void fail(std::string_view text, const std::string& why, const std::string& remedy) {
  throw ConfigError({.what = "'" + std::string(text) + "' is no address for metrics", .why = why, .remedy = remedy});
}

bool is_address(int family, const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> parsed{};
  return inet_pton(family, host.c_str(), parsed.data()) == 1;
}

}  // namespace

EndpointAddress EndpointAddress::parse(std::string_view text) {
  const auto colon = text.rfind(':');
  const auto port = port_of(text.substr(colon == std::string_view::npos ? 0 : colon + 1));
  if (!port) fail(text, "it does not end with a port, 0 to 65535", "write HOST:PORT, such as 127.0.0.1:9464");
  if (colon == std::string_view::npos) return {.host = std::string(kLoopback), .port = *port};
  std::string host(text.substr(0, colon));
  if (host.empty()) {
    fail(text, "it names no host",
         "write 127.0.0.1" + std::string(text) + " for this machine, or 0.0.0.0" + std::string(text) +
             " for everybody who reaches it");
  }
  if (host == "localhost") host = kLoopback;
  const bool has_brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (has_brackets) host = host.substr(1, host.size() - 2);
  if (!is_address(has_brackets ? AF_INET6 : AF_INET, host)) {
    fail(text, "'" + host + "' is no IP address",
         "write the address of a network of this machine, with brackets for IPv6, such as [::1]:9464");
  }
  return {.host = host, .port = *port};
}

std::string EndpointAddress::to_string() const {
  const bool is_v6 = host.find(':') != std::string::npos;
  return (is_v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

}  // namespace greenlane::runtime
