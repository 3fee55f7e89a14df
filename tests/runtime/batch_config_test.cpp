#include "support/runtime_folder.hpp"

#include <greenlane/detail/runtime/config.hpp>

#include <gmock/gmock.h>

#include <string>

namespace greenlane::runtime {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;

class BatchConfigTest : public ::testing::Test {
 protected:
  BatchConfigTest() {
    for (const auto* file : {"a.pt2", "a.inputs.pt"}) (void)folder_.write(file, "x");
  }
  // Returns the one engine of a file with these keys.
  [[nodiscard]] EngineConfig engine(const std::string& keys) const {
    const auto text = "[engine.policy]\nmodel = 'a.pt2'\ninputs = 'a.inputs.pt'\n" + keys;
    return load_config(folder_.write("pipeline.toml", text)).engines.front();
  }

  Folder folder_;
};

TEST_F(BatchConfigTest, RequestsRunAloneUnlessTheFileSaysOtherwise) { EXPECT_FALSE(engine("").batch); }

TEST_F(BatchConfigTest, TheUsualSizesArePowersOfTwoAndTheMost) {
  const auto sizes = [&](const std::string& most) { return engine("max_batch = " + most + "\n").batch.value().sizes; };
  EXPECT_THAT(sizes("1"), ElementsAre(1));
  EXPECT_THAT(sizes("8"), ElementsAre(1, 2, 4, 8));
  EXPECT_THAT(sizes("12"), ElementsAre(1, 2, 4, 8, 12));
}

TEST_F(BatchConfigTest, RowsArePaddedToTheNextSize) {
  const auto batch = engine("max_batch = 12\nbatch_sizes = [3, 12]\n").batch.value();
  EXPECT_EQ(batch.size_for(1), 3);
  EXPECT_EQ(batch.size_for(3), 3);
  EXPECT_EQ(batch.size_for(4), 12);
}

TEST_F(BatchConfigTest, ARateFillsBatchesWithinTheirDelay) {
  const auto policy = engine("max_batch = 8\nmax_delay_ms = 35\nrate_hz = 100\ndeadline_ms = 80\n");
  const auto& batch = policy.batch.value();
  EXPECT_EQ(batch.planned_rows, 4);
  EXPECT_EQ(policy.period, milliseconds(40));
  EXPECT_EQ(policy.deadline, milliseconds(45));
  EXPECT_EQ(request_period(policy), milliseconds(10));
  EXPECT_EQ(request_deadline(policy), milliseconds(80));
}

TEST_F(BatchConfigTest, ABatchIsNeverPlannedBeyondItsMost) {
  const auto policy = engine("max_batch = 2\nmax_delay_ms = 35\nrate_hz = 100\ndeadline_ms = 80\n");
  EXPECT_EQ(policy.batch.value().planned_rows, 2);
  EXPECT_EQ(policy.period, milliseconds(20));
}

TEST_F(BatchConfigTest, WithoutADelayARateIsThatOfRequests) {
  const auto policy = engine("max_batch = 8\nrate_hz = 100\n");
  EXPECT_EQ(policy.batch.value().planned_rows, 1);
  EXPECT_EQ(policy.period, milliseconds(10));
}

TEST_F(BatchConfigTest, BestEffortIsPlannedWithFullBatches) {
  const auto policy = engine("max_batch = 8\n");
  EXPECT_EQ(policy.batch.value().planned_rows, 8);
  EXPECT_FALSE(policy.period);
}

}  // namespace
}  // namespace greenlane::runtime
