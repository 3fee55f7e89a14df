// Whole audits, on a fake driver and a fake CUPTI.
#include "core/cuda/contexts.hpp"
#include "support/fake_cupti.hpp"
#include "support/fake_driver_test.hpp"
#include "support/matchers.hpp"

#include <greenlane/audit/audit.hpp>

#include <gmock/gmock.h>

#include <thread>

namespace greenlane::audit {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class AuditTest : public fake::FakeDriverTest {
 protected:
  // Launches a kernel now. It runs in the context of `stream`.
  void kernel(StreamView stream, const char* name = "matmul", bool in_graph = false) {
    cupti_.kernel(cupti_.launch(), detail::context_of(stream).value().context, stream.handle(), name, in_graph);
  }
  // Calls an engine, whose one kernel runs on `where`.
  void call(StreamBinding& binding, StreamView where) {
    auto call = binding.enter(caller_);
    kernel(where);
    call.finish();
  }

  fake::FakeCupti cupti_;
  cupti::ScopedTable cupti_table_{&cupti_.table()};
  Device device_ = gpu();
  LaneSet lanes_ = device_.partition({{"policy", 16}, {"vision", 48}});
  StreamView plain_ = fake_.make_stream();
  StreamView caller_ = fake_.make_stream();
  StreamBinding policy_{device_, "policy"};
};

TEST_F(AuditTest, EnginesInTheirLanesAreClean) {
  StreamBinding vision(device_, "vision");
  policy_.set(lanes_["policy"]);
  vision.set(lanes_["vision"]);
  Audit audit;
  for (int i = 0; i < 5; ++i) call(policy_, lanes_["policy"].stream());
  call(vision, lanes_["vision"].stream());
  const auto report = audit.stop();
  EXPECT_TRUE(report.is_clean()) << audit_text(report);
  ASSERT_THAT(report.engines, SizeIs(2));
  EXPECT_EQ(report.engines[0].kernels, 5U);
  EXPECT_EQ(report.engines[0].calls, 5U);
  EXPECT_EQ(report.engines[0].lane, "policy");
  EXPECT_EQ(report.engines[0].units, 16);
  EXPECT_THAT(report.trace, IsEmpty());
}

TEST_F(AuditTest, AnEngineThatIsNotBoundIsAStray) {
  Audit audit;
  call(policy_, caller_);
  const auto report = audit.stop();
  ASSERT_THAT(report.engines, SizeIs(1));
  ASSERT_THAT(report.engines[0].strays, SizeIs(1));
  EXPECT_EQ(report.engines[0].strays[0].cause, StrayCause::not_bound);
  EXPECT_EQ(report.engines[0].strays[0].where, "all of cuda:0 (132 SMs)");
}

TEST_F(AuditTest, AKernelOutsideTheLaneIsAStray) {
  policy_.set(lanes_["policy"]);
  Audit audit;
  call(policy_, lanes_["vision"].stream());
  {
    auto call = policy_.enter(caller_);
    kernel(plain_, "node", true);
  }
  const auto report = audit.stop();
  ASSERT_THAT(report.engines.at(0).strays, SizeIs(2));
  EXPECT_EQ(report.engines[0].strays[0].cause, StrayCause::other_lane);
  EXPECT_EQ(report.engines[0].strays[0].where, "partition 'vision' (48 SMs)");
  EXPECT_EQ(report.engines[0].strays[1].cause, StrayCause::captured_elsewhere);
}

TEST_F(AuditTest, ALaneNamedLikeACaptureLaneIsReported) {
  const auto lane = Lane::create(device_.partition("guest (graphs)", 8));
  const auto for_captures = lane.beside();
  policy_.set(lanes_["policy"]);
  Audit audit;
  call(policy_, lane.stream());
  const auto report = audit.stop();
  ASSERT_THAT(report.engines.at(0).strays, SizeIs(1));
  EXPECT_EQ(report.engines[0].strays[0].where, "partition 'guest (graphs)' (8 SMs)");
}

TEST_F(AuditTest, AKernelOnTheDefaultStreamIsAStray) {
  policy_.set(lanes_["policy"]);
  Audit audit;
  {
    auto call = policy_.enter(caller_);
    cupti_.kernel(cupti_.launch(), detail::primary_context_of(0).value(), nullptr, "fill");
  }
  EXPECT_EQ(audit.stop().engines.at(0).strays.at(0).cause, StrayCause::default_stream);
}

TEST_F(AuditTest, WorkAfterACallBelongsToNoEngine) {
  policy_.set(lanes_["policy"]);
  Audit audit;
  call(policy_, lanes_["policy"].stream());
  kernel(caller_, "relu");
  const auto report = audit.stop();
  ASSERT_THAT(report.others, SizeIs(1));
  EXPECT_EQ(report.others[0].kernel, "relu");
  EXPECT_EQ(report.others[0].cause, StrayCause::no_engine);
  EXPECT_EQ(report.strays(), 1U);
}

TEST_F(AuditTest, AReboundEngineHasOneRowPerLane) {
  policy_.set(lanes_["policy"]);
  Audit audit;
  call(policy_, lanes_["policy"].stream());
  policy_.set(lanes_["vision"]);
  call(policy_, lanes_["vision"].stream());
  const auto report = audit.stop();
  EXPECT_TRUE(report.is_clean()) << audit_text(report);
  EXPECT_THAT(report.engines, SizeIs(2));
}

TEST_F(AuditTest, AReleasedLaneReturnsItsUnitsDuringAnAudit) {
  Audit audit;
  for (int i = 0; i < 2; ++i) {
    const auto lane = Lane::create(device_.partition("guest", rest));
    policy_.set(lane);
    call(policy_, lane.stream());
    policy_.clear();
    call(policy_, lanes_["policy"].stream());
  }
  const auto report = audit.stop();
  EXPECT_TRUE(report.is_clean()) << audit_text(report);
}

TEST_F(AuditTest, KeptStreamsDoNotCountAsPartitions) {
  {
    const auto left = device_.partition({{"guest", 8}});
    left["guest"].keep_stream();
  }
  for (const auto& lane : lanes_) lane.keep_stream();
  lanes_ = LaneSet({});
  {
    Audit audit;
    call(policy_, caller_);
    EXPECT_TRUE(audit.stop().is_clean());
  }
  const auto again = device_.partition({{"policy", 16}});
  Audit audit;
  call(policy_, caller_);
  EXPECT_FALSE(audit.stop().is_clean());
}

TEST_F(AuditTest, AnAdoptedStreamBelongsToItsContext) {
  const auto green = fake_.make_green_stream(24);
  policy_.set(Lane::adopt(device_, green));
  Audit audit;
  call(policy_, green);
  call(policy_, plain_);
  const auto report = audit.stop();
  EXPECT_EQ(report.engines.at(0).units, 24);
  EXPECT_EQ(report.engines.at(0).kernels, 2U);
  EXPECT_THAT(report.engines.at(0).strays, SizeIs(1));
}

TEST_F(AuditTest, EnginesOfDifferentThreadsAreSeparated) {
  StreamBinding other(device_, "other");
  policy_.set(lanes_["policy"]);
  other.set(lanes_["policy"]);
  Audit audit;
  call(policy_, lanes_["policy"].stream());
  std::jthread([&] { call(other, lanes_["policy"].stream()); }).join();
  const auto report = audit.stop();
  ASSERT_THAT(report.engines, SizeIs(2));
  EXPECT_EQ(report.engines[0].kernels, 1U);
  EXPECT_EQ(report.engines[1].kernels, 1U);
}

TEST_F(AuditTest, TheTraceIsOrderedAndBounded) {
  policy_.set(lanes_["policy"]);
  Audit audit({.trace = 2});
  for (int i = 0; i < 3; ++i) call(policy_, lanes_["policy"].stream());
  const auto report = audit.stop();
  ASSERT_THAT(report.trace, SizeIs(2));
  EXPECT_TRUE(report.trace_is_cut);
  EXPECT_EQ(report.trace[0].kernel, "matmul");
  EXPECT_EQ(report.trace[0].engine, "policy");
  EXPECT_EQ(report.trace[0].lane, "policy");
  EXPECT_EQ(report.trace[0].where, "partition 'policy' (16 SMs)");
  EXPECT_FALSE(report.trace[0].is_stray);
  EXPECT_LE(report.trace[0].begin, report.trace[1].begin);
  EXPECT_LE(report.trace[1].end, std::chrono::steady_clock::now().time_since_epoch() + std::chrono::seconds(1));
}

TEST_F(AuditTest, OnlyOneAuditRunsAtATime) {
  {
    const Audit first;
    EXPECT_THAT([] { const Audit second; }, refuses<AuditError>("another one is under way"));
    EXPECT_FALSE(cupti_.enabled.empty()) << "the refused second audit ended the first one";
  }
  EXPECT_THAT(cupti_.enabled, IsEmpty());
  Audit third;
  (void)third.stop();
  EXPECT_THAT([&] { (void)third.stop(); }, refuses<AuditError>("it has ended"));
}

TEST_F(AuditTest, ADestroyedAuditEnds) {
  policy_.set(lanes_["policy"]);
  {
    const Audit audit;
  }
  EXPECT_THAT(cupti_.enabled, IsEmpty());
  call(policy_, lanes_["policy"].stream());
  EXPECT_THAT(cupti_.stack, IsEmpty()) << "a call was recorded after the audit was destroyed";
}

TEST_F(AuditTest, ACallMayOutliveTheAudit) {
  policy_.set(lanes_["policy"]);
  Audit audit;
  {
    const auto call = policy_.enter(caller_);
    (void)audit.stop();
  }
  EXPECT_THAT(cupti_.stack, IsEmpty());
}

TEST_F(AuditTest, AnAuditMayBeginAfterARefusal) {
  cupti_.refuse(CUPTI_ACTIVITY_KIND_MEMCPY, CUPTI_ERROR_INSUFFICIENT_PRIVILEGES);
  EXPECT_THAT([] { const Audit audit; }, refuses<AuditError>("CUPTI refused it"));
  cupti_.refusals.clear();
  Audit audit;
  EXPECT_TRUE(audit.stop().is_clean());
}

TEST_F(AuditTest, LostRecordsAreNotClean) {
  Audit audit;
  cupti_.dropped = 3;
  cupti_.api_call();
  const auto report = audit.stop();
  EXPECT_FALSE(report.is_clean());
  EXPECT_THAT(audit_text(report), HasSubstr("3 records were lost"));
}

TEST(AuditWithoutAGpu, AnAuditWithoutAGpuIsRefused) {
  const driver::ScopedTable none(nullptr);
  detail::forget_devices();
  EXPECT_THAT([] { const Audit audit; }, refuses<AuditError>("it needs CUDA"));
}

}  // namespace
}  // namespace greenlane::audit
