// "It throws this kind of error, and the message says all of that."
#pragma once

#include <gmock/gmock.h>

#include <string>
#include <utility>

namespace greenlane {

// EXPECT_THAT([&] { … }, refuses<StreamError>("0x1", "reserved", "make a stream"));
template <class Error, class... Parts>
auto refuses(Parts... parts) {
  return ::testing::ThrowsMessage<Error>(::testing::AllOf(::testing::HasSubstr(std::string(std::move(parts)))...));
}

}  // namespace greenlane
