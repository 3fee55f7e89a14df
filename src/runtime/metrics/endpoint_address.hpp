// The address that metrics are served at.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace greenlane::runtime {

struct EndpointAddress {
  std::string host;  // an IPv4 address, or an IPv6 address without brackets
  std::uint16_t port = 0;

  // Reads "HOST:PORT" or "PORT". HOST is an IP address (IPv6 in brackets) or "localhost"; without it, only this machine
  // is served.
  // Throws: ConfigError, which says what is wrong with the text.
  [[nodiscard]] static EndpointAddress parse(std::string_view text);
  [[nodiscard]] std::string to_string() const;

  friend bool operator==(const EndpointAddress&, const EndpointAddress&) = default;
};

}  // namespace greenlane::runtime
