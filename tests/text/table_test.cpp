#include "text/table.hpp"

#include <gmock/gmock.h>

namespace greenlane::text {
namespace {

TEST(TextTable, CellsAreEscaped) {
  Table table({"engine", "p99"}, 1);
  table.add({"a\x1b[2J\nb\u202e", "µs"});
  EXPECT_EQ(table.to_string(), "  engine              p99\n  ───────────────────────\n  a\\x1b[2J\\nb\\u202e    µs\n");
}

}  // namespace
}  // namespace greenlane::text
