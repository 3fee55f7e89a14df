#include "torch/error_output.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iostream>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace greenlane::detail {
namespace {

using ::testing::HasSubstr;

TEST(ErrorOutput, OutputOfThisThreadIsCollected) {
  ErrorOutput output;
  std::cerr << "one " << 2 << '\n' << std::flush;
  EXPECT_EQ(output.take(), "one 2\n");
  EXPECT_EQ(output.take(), "");
}

TEST(ErrorOutput, UntakenOutputIsPassedOn) {
  ErrorOutput outer;
  {
    const ErrorOutput inner;
    std::cerr << "a warning\n";
  }
  EXPECT_EQ(outer.take(), "a warning\n");
}

TEST(ErrorOutput, OutputOfOtherThreadsIsNotCollected) {
  ErrorOutput output;
  std::string other_text;
  std::thread other([&] {
    ErrorOutput theirs;
    std::cerr << "theirs";
    other_text = theirs.take();
  });
  other.join();
  std::cerr << "ours";
  EXPECT_EQ(output.take(), "ours");
  EXPECT_EQ(other_text, "theirs");
}

const std::runtime_error kNoReason("API call failed at model_container_runner.cpp, line 144");

TEST(ReasonOf, TheReasonIsTheLibrarysMessage) {
  const std::string output =
      "[E1128 12:00:00.000000000 shim_common.cpp:189] Exception in aoti_torch: CUDA error: "
      "CUBLAS_STATUS_EXECUTION_FAILED "
      "when calling `cublasGemmEx(...)`\nException raised from gemm at CUDABlas.cpp:1 (most recent call first):\nframe "
      "#0: c10::Error\nError: aoti_torch_cuda_mm_out(...) API call failed at wrapper.cpp, line 3\n";
  EXPECT_EQ(reason_of(output, kNoReason),
            "CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasGemmEx(...)`");
}

TEST(ReasonOf, TheReasonIsThePackagesMessage) {
  EXPECT_EQ(reason_of("Error: index out of bounds: 0 <= tmp0 < 4\n", kNoReason), "index out of bounds: 0 <= tmp0 < 4");
}

TEST(ReasonOf, TheReasonIsTheExceptionIfNothingWasWritten) {
  EXPECT_EQ(reason_of("", std::runtime_error("no such input\nframe #0")), "no such input");
}

TEST(ReasonOf, TheReasonIsNeverEmpty) { EXPECT_THAT(reason_of("", kNoReason), Not(::testing::IsEmpty())); }

}  // namespace
}  // namespace greenlane::detail
