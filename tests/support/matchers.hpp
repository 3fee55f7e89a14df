// A matcher for functions that throw a given kind of error with all given parts in its message.
#pragma once

#include <gmock/gmock.h>

#include <string>
#include <utility>

namespace greenlane {

// Usage: EXPECT_THAT([&] { … }, refuses<StreamError>("0x1", "reserved", "make a stream"));
template <class Error, class... Parts>
auto refuses(Parts... parts) {
  return ::testing::ThrowsMessage<Error>(::testing::AllOf(::testing::HasSubstr(std::string(std::move(parts)))...));
}

}  // namespace greenlane
