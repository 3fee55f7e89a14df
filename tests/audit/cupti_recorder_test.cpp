#include "audit/recorder.hpp"
#include "support/fake_cupti.hpp"
#include "support/matchers.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/core/log.hpp>

#include <gmock/gmock.h>

#include <chrono>

namespace greenlane::audit {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

CUcontext context_of(std::uintptr_t number) { return reinterpret_cast<CUcontext>(number); }  // NOLINT
CUstream stream_of(std::uintptr_t number) { return reinterpret_cast<CUstream>(number); }     // NOLINT

class RecorderTest : public ::testing::Test {
 protected:
  fake::FakeCupti cupti_;
  cupti::ScopedTable table_{&cupti_.table()};
  ActivityLog log_{100};
  CUcontext context_ = context_of(0x100);
  CUstream stream_ = stream_of(0x200);
};

std::string refusal(fake::FakeCupti& cupti, ActivityLog& log) {
  try {
    recorder().start(log);
  } catch (const AuditError& error) {
    EXPECT_THAT(cupti.enabled, IsEmpty()) << "nothing is left on";
    return error.what();
  }
  ADD_FAILURE() << "recorder() threw nothing without CUPTI";
  return "";
}

TEST_F(RecorderTest, WorkBelongsToTheCallSiteOfItsLaunch) {
  recorder().start(log_);
  recorder().push(1);
  const auto first = cupti_.launch();
  recorder().push(2);
  const auto inner = cupti_.launch();
  recorder().pop();
  const auto last = cupti_.launch();
  recorder().pop();
  const auto nobodys = cupti_.launch();
  for (const auto correlation : {first, inner, last, nobodys}) cupti_.kernel(correlation, context_, stream_, "matmul");
  recorder().stop();
  const auto contents = log_.take();
  ASSERT_THAT(contents.activities, SizeIs(3));
  std::map<std::uint32_t, std::uint64_t> counts;
  for (const auto& activity : contents.activities) counts[activity.site] = activity.count;
  EXPECT_EQ(counts, (std::map<std::uint32_t, std::uint64_t>{{0, 1}, {1, 2}, {2, 1}}));
}

TEST_F(RecorderTest, AllKindsOfRecordsAreRead) {
  recorder().start(log_);
  recorder().push(4);
  const auto launch = cupti_.launch();
  cupti_.kernel(launch, context_, stream_, "node", true);
  cupti_.copy(launch, context_, stream_);
  cupti_.set(launch, context_, stream_);
  cupti_.context(9, true, 24);
  cupti_.context(10, false, 0);
  recorder().pop();
  recorder().stop();
  const auto contents = log_.take();
  ASSERT_THAT(contents.activities, SizeIs(2)) << "a memset was not counted as a copy";
  EXPECT_EQ(contents.activities[0].kernel, "node");
  EXPECT_TRUE(contents.activities[0].in_graph);
  EXPECT_EQ(contents.activities[0].context, recorder().number_of(context_));
  EXPECT_EQ(contents.activities[0].stream, recorder().number_of(context_, StreamView(stream_)));
  EXPECT_EQ(contents.activities[0].time, std::chrono::nanoseconds(1000));
  EXPECT_EQ(contents.activities[1].kind, ActivityKind::copy);
  EXPECT_EQ(contents.activities[1].count, 2U);
  ASSERT_THAT(contents.contexts, SizeIs(2));
  EXPECT_TRUE(contents.contexts[0].is_green);
  EXPECT_EQ(contents.contexts[0].units, 24);
  EXPECT_EQ(contents.contexts[1].units, 0);
}

TEST_F(RecorderTest, CorrelationsOfOtherToolsAreIgnored) {
  recorder().start(log_);
  cupti_.external(CUPTI_EXTERNAL_CORRELATION_KIND_CUSTOM0, 5, 77);
  cupti_.kernel(5, context_, stream_, "matmul");
  recorder().stop();
  EXPECT_EQ(log_.take().activities.at(0).site, 0U);
}

TEST_F(RecorderTest, TimesUseTheSteadyClockDuringAnAudit) {
  recorder().start(log_);
  const auto before = std::chrono::steady_clock::now().time_since_epoch();
  const std::chrono::nanoseconds now(cupti_.now());
  EXPECT_GE(now, before);
  EXPECT_LE(now, std::chrono::steady_clock::now().time_since_epoch());
  recorder().stop();
  const std::chrono::nanoseconds off(
      cupti_.now() - static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count()));
  EXPECT_LT(std::chrono::abs(off), std::chrono::seconds(1));
}

TEST_F(RecorderTest, StopDisablesAllActivities) {
  for (int i = 0; i < 3; ++i) {
    recorder().start(log_);
    EXPECT_THAT(cupti_.enabled, SizeIs(7));
    recorder().stop();
    EXPECT_THAT(cupti_.enabled, IsEmpty());
  }
}

TEST_F(RecorderTest, DroppedRecordsAreCounted) {
  recorder().start(log_);
  cupti_.dropped = 12;
  cupti_.api_call();
  recorder().stop();
  EXPECT_EQ(log_.take().dropped, 12U);
}

TEST_F(RecorderTest, AForeignBufferIsReadButNotFreed) {
  recorder().start(log_);
  cupti_.kernel(cupti_.launch(), context_, stream_, "matmul");
  std::vector<std::uint8_t> theirs;
  cupti_.give_foreign(theirs);
  recorder().stop();
  EXPECT_EQ(log_.take().activities.at(0).count, 1U);
}

TEST_F(RecorderTest, RecordsAfterTheEndAreDropped) {
  recorder().start(log_);
  recorder().stop();
  cupti_.kernel(1, context_, stream_, "late");
  cupti_.flush();
  EXPECT_THAT(log_.take().activities, IsEmpty());
}

TEST_F(RecorderTest, AnExtraPopIsNoError) {
  recorder().pop();
  EXPECT_THAT(cupti_.stack, IsEmpty());
}

TEST_F(RecorderTest, MissingPrivilegesAreReportedWithARemedy) {
  cupti_.refuse(CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL, CUPTI_ERROR_INSUFFICIENT_PRIVILEGES);
  EXPECT_THAT(refusal(cupti_, log_), AllOf(HasSubstr("CUPTI_ERROR_INSUFFICIENT_PRIVILEGES"),
                                           HasSubstr("NVreg_RestrictProfilingToAdminUsers=0")));
}

TEST_F(RecorderTest, AnotherTracerIsReported) {
  cupti_.answer("cuptiActivityRegisterCallbacks", CUPTI_ERROR_MULTIPLE_SUBSCRIBERS_NOT_SUPPORTED);
  EXPECT_THAT(refusal(cupti_, log_), AllOf(HasSubstr("cuptiActivityRegisterCallbacks"), HasSubstr("Nsight")));
}

TEST_F(RecorderTest, AFailureAtTheEndGivesAWarning) {
  std::string warning;
  const auto former = set_warning_sink([&](const std::string& text) { warning = text; });
  recorder().start(log_);
  cupti_.answer("cuptiActivityFlushAll", CUPTI_ERROR_UNKNOWN);
  recorder().stop();
  set_warning_sink(former);
  EXPECT_THAT(warning, HasSubstr("so records are missing: repeat the audit"));
  EXPECT_THAT(cupti_.enabled, IsEmpty());
}

TEST_F(RecorderTest, AnUnknownContextOrStreamHasNoNumber) {
  cupti_.answer("cuptiGetContextId", CUPTI_ERROR_INVALID_CONTEXT);
  cupti_.answer("cuptiGetStreamIdEx", CUPTI_ERROR_INVALID_STREAM);
  EXPECT_EQ(recorder().number_of(context_), std::nullopt);
  EXPECT_EQ(recorder().number_of(context_, StreamView(stream_)), std::nullopt);
}

TEST(Recorder, MissingCuptiIsReportedWithARemedy) {
  const cupti::ScopedTable none(nullptr);
  try {
    (void)recorder();
    FAIL() << "recorder() threw nothing without CUPTI";
  } catch (const AuditError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("an audit cannot be made"), HasSubstr("install CUPTI")));
  }
}

TEST(CuptiTable, CuptiIsFoundOrTheReasonNamesTheLibrary) {
  if (cupti::find()) {
    EXPECT_THAT(cupti::unavailable_reason(), IsEmpty());
  } else {
    EXPECT_THAT(cupti::unavailable_reason(), HasSubstr("libcupti.so"));
  }
}

}  // namespace
}  // namespace greenlane::audit
