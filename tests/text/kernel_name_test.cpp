#include "text/kernel_name.hpp"

#include <gtest/gtest.h>

namespace greenlane::text {
namespace {

TEST(KernelName, OnlyMangledNamesAreChanged) {
  EXPECT_EQ(demangled("_Z4fillPfi"), "fill(float*, int)");
  EXPECT_EQ(demangled("nvjet_sm90_hsh_64x48"), "nvjet_sm90_hsh_64x48");
  EXPECT_EQ(demangled(""), "");
}

TEST(KernelName, LongNamesAreShortened) {
  EXPECT_EQ(shortened("void fill<float>(float*, int)", 70), "fill<float>");
  EXPECT_EQ(shortened("f((anonymous namespace)::x)", 70), "f");
  EXPECT_EQ(shortened("(odd)", 70), "(odd)");
  EXPECT_EQ(shortened(std::string(50, 'a') + std::string(50, 'b'), 31),
            std::string(20, 'a') + "…" + std::string(10, 'b'));
}

}  // namespace
}  // namespace greenlane::text
