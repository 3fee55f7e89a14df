#include "runtime/metrics/endpoint_address.hpp"

#include <greenlane/core/error.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace greenlane::runtime {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

TEST(EndpointAddress, HostAndPortAreRead) {
  EXPECT_EQ(EndpointAddress::parse("0.0.0.0:9464"), (EndpointAddress{.host = "0.0.0.0", .port = 9464}));
  EXPECT_EQ(EndpointAddress::parse("localhost:0"), (EndpointAddress{.host = "127.0.0.1", .port = 0}));
  EXPECT_EQ(EndpointAddress::parse("10.1.2.3:65535").to_string(), "10.1.2.3:65535");
  EXPECT_EQ(EndpointAddress::parse("[::1]:9464"), (EndpointAddress{.host = "::1", .port = 9464}));
  EXPECT_EQ(EndpointAddress::parse("[::1]:9464").to_string(), "[::1]:9464");
}

TEST(EndpointAddress, APortAloneIsOfThisMachine) {
  EXPECT_EQ(EndpointAddress::parse("9464"), (EndpointAddress{.host = "127.0.0.1", .port = 9464}));
}

TEST(EndpointAddress, AnEmptyHostIsNotEveryNetwork) {
  EXPECT_THAT([] { (void)EndpointAddress::parse(":9464"); },
              ThrowsMessage<ConfigError>(HasSubstr("write 127.0.0.1:9464 for this machine, or 0.0.0.0:9464")));
}

TEST(EndpointAddress, OtherTextsAreRefused) {
  for (const std::string text : {"", "a", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "127.0.0.1:-1",
                                 "127.0.0.1: 1", "127.0.0.1:1 ", "http://127.0.0.1:9464"}) {
    EXPECT_THAT([&] { (void)EndpointAddress::parse(text); },
                ThrowsMessage<ConfigError>(HasSubstr("'" + text + "' is no address for metrics")))
        << text;
  }
  for (const std::string text : {"example.org:9464", "[::1:9464", "[127.0.0.1]:9464", "::1:9464", "1.2.3:9464",
                                 "1.2.3.4.5:9464", "256.1.1.1:9464"}) {
    EXPECT_THAT([&] { (void)EndpointAddress::parse(text); }, ThrowsMessage<ConfigError>(HasSubstr("is no IP address")))
        << text;
  }
}

}  // namespace
}  // namespace greenlane::runtime
