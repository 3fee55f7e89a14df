#include "audit/attribute.hpp"

#include "support/scenes.hpp"

#include <gmock/gmock.h>

#include <vector>

namespace greenlane::audit {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the scenes
using std::chrono::microseconds;
using ::testing::IsEmpty;
using ::testing::SizeIs;

AuditReport audit(const std::vector<Activity>& activities, const Scene& scene = two_lanes()) {
  return attribute(activities, scene);
}

// Returns the only stray of an engine; fails unless there is exactly one.
AuditedKernel stray_of(const AuditReport& report, std::size_t engine = 0) {
  EXPECT_FALSE(report.is_clean());
  EXPECT_THAT(report.engines.at(engine).strays, SizeIs(1));
  return report.engines.at(engine).strays.at(0);
}

TEST(Attribute, AReportWithoutActivitiesNamesAllCalledEngines) {
  const auto report = audit({});
  EXPECT_TRUE(report.is_clean());
  ASSERT_THAT(report.engines, SizeIs(3));
  EXPECT_EQ(report.engines[0].name, "policy");
  EXPECT_EQ(report.engines[0].lane, "policy");
  EXPECT_EQ(report.engines[0].units, 16);
  EXPECT_EQ(report.engines[0].calls, 10U);
  EXPECT_EQ(report.engines[2].lane, std::nullopt);
}

TEST(Attribute, WorkInTheLanesPartitionIsNoStray) {
  const auto report = audit({kernel(kPolicySite, kPolicy, kPolicyStream), node(kPolicySite, kPolicy, kPolicyStream),
                             copy(kPolicySite, kPolicy, kPolicyStream), kernel(kVisionSite, kVision, kVisionStream)});
  EXPECT_TRUE(report.is_clean());
  EXPECT_EQ(report.engines[0].kernels, 10U);
  EXPECT_EQ(report.engines[0].copies, 5U);
  EXPECT_EQ(report.engines[0].time, microseconds(20)) << "the time includes copies";
  EXPECT_EQ(report.engines[1].kernels, 5U);
  EXPECT_THAT(report.others, IsEmpty());
}

TEST(Attribute, AnotherStreamOfTheSamePartitionIsNoStray) {
  EXPECT_TRUE(audit({kernel(kPolicySite, kPolicy, kUnknownStream)}).is_clean());
}

TEST(Attribute, AnUnboundEngineBesidePartitionsIsAStray) {
  const auto report = audit({kernel(kUnboundSite, kPrimary, kDefaultStream)});
  const auto stray = stray_of(report, 2);
  EXPECT_EQ(stray.cause, StrayCause::not_bound);
  EXPECT_EQ(stray.where, "all of cuda:0 (132 SMs)");
  EXPECT_EQ(stray.count, 5U);
  EXPECT_EQ(stray.time, microseconds(10));
  EXPECT_EQ(report.strays(), 5U);
}

TEST(Attribute, AnUnboundEngineInsideAPartitionIsNoStray) {
  EXPECT_TRUE(audit({kernel(kUnboundSite, kVision, kVisionStream)}).is_clean());
}

TEST(Attribute, AStrayNamesAnAuxiliaryStream) {
  EXPECT_EQ(stray_of(audit({kernel(kPolicySite, kPrimary, kUnknownStream)})).cause, StrayCause::side_stream);
}

TEST(Attribute, AStrayNamesPyTorchsStreamPool) {
  EXPECT_EQ(stray_of(audit({kernel(kPolicySite, kPrimary, kPoolStream)})).cause, StrayCause::pool_stream);
}

TEST(Attribute, AStrayNamesTheDefaultStream) {
  EXPECT_EQ(stray_of(audit({kernel(kPolicySite, kPrimary, kDefaultStream)})).cause, StrayCause::default_stream);
}

TEST(Attribute, AStrayNamesTheOtherLane) {
  const auto stray = stray_of(audit({kernel(kPolicySite, kVision, kVisionStream)}));
  EXPECT_EQ(stray.cause, StrayCause::other_lane);
  EXPECT_EQ(stray.where, "partition 'vision' (48 SMs)");
}

TEST(Attribute, AGraphOfAPlainStreamIsAStrayOnEveryStream) {
  for (const auto stream : {kPolicyStream, kDefaultStream, kUnknownStream, kPoolStream}) {
    EXPECT_EQ(stray_of(audit({node(kPolicySite, kPrimary, stream)})).cause, StrayCause::captured_elsewhere);
  }
}

TEST(Attribute, AGraphOfThePartitionIsNoStrayOnAnyStream) {
  for (const auto stream : {kPolicyStream, kDefaultStream, kVisionStream})
    EXPECT_TRUE(audit({node(kPolicySite, kPolicy, stream)}).is_clean());
}

TEST(Attribute, TwoEnginesMayShareALane) {
  auto scene = two_lanes();
  scene.sites.push_back(site_of("second", "policy", 16, kPolicy));
  const auto report = audit({kernel(kPolicySite, kPolicy, kPolicyStream), kernel(4, kPolicy, kPolicyStream)}, scene);
  EXPECT_TRUE(report.is_clean());
  EXPECT_EQ(report.engines.at(3).kernels, 5U);
}

TEST(Attribute, AnEngineHasOneRowPerLane) {
  auto scene = two_lanes();
  scene.sites.push_back(site_of("policy", "policy", 16, kPolicy));
  scene.sites.push_back(site_of("policy", "vision", 48, kVision));
  const auto report = audit({kernel(kPolicySite, kPolicy, kPolicyStream), kernel(4, kPolicy, kPolicyStream),
                             kernel(5, kVision, kVisionStream)},
                            scene);
  EXPECT_TRUE(report.is_clean());
  ASSERT_THAT(report.engines, SizeIs(4));
  EXPECT_EQ(report.engines[0].kernels, 10U);
  EXPECT_EQ(report.engines[0].calls, 20U);
  EXPECT_EQ(report.engines[3].lane, "vision");
}

TEST(Attribute, NoPartitionsMeanNoStrays) {
  const auto report = audit(
      {kernel(1, kPrimary, kUnknownStream), kernel(2, kPrimary, kDefaultStream), kernel(0, kPrimary, kDefaultStream)},
      undivided());
  EXPECT_TRUE(report.is_clean());
  EXPECT_THAT(report.others, SizeIs(1));
}

TEST(Attribute, UnusedPartitionsCauseNoStrays) {
  auto scene = two_lanes();
  for (const auto context : {kPolicy, kVision, kForeign}) scene.contexts[context].is_used = false;
  EXPECT_TRUE(audit({kernel(kUnboundSite, kPrimary, kDefaultStream)}, scene).is_clean());
}

TEST(Attribute, ALaneOnTheWholeDeviceHasNoStrays) {
  auto scene = two_lanes();
  scene.sites.push_back(site_of("wide", "whole", 132, kPrimary));
  EXPECT_TRUE(audit({kernel(4, kPrimary, kUnknownStream)}, scene).is_clean());
}

TEST(Attribute, AnAdoptedStreamBelongsToItsContext) {
  auto scene = two_lanes();
  scene.sites.push_back(site_of("guest", "stream 0x7f", 24, kForeign));
  EXPECT_TRUE(audit({kernel(4, kForeign, kUnknownStream)}, scene).is_clean());
  const auto stray = stray_of(audit({kernel(4, kPolicy, kPolicyStream)}, scene), 3);
  EXPECT_EQ(stray.cause, StrayCause::other_lane);
}

TEST(Attribute, CopiesAreNeverStrays) {
  const auto report = audit({copy(kPolicySite, kPrimary, kDefaultStream), copy(kUnboundSite, kPrimary, kDefaultStream),
                             copy(0, kPrimary, kDefaultStream)});
  EXPECT_TRUE(report.is_clean());
  EXPECT_EQ(report.engines[0].copies, 5U);
  EXPECT_THAT(report.others, IsEmpty());
}

TEST(Attribute, OtherWorkIsAStrayOnTheWholeDeviceOnly) {
  const auto report = audit({kernel(0, kPrimary, kDefaultStream, "fill"), kernel(0, kVision, kVisionStream, "relu"),
                             kernel(0, kForeign, kUnknownStream, "tanh")});
  EXPECT_EQ(report.strays(), 5U);
  ASSERT_THAT(report.others, SizeIs(3));
  EXPECT_EQ(report.others[0].kernel, "fill") << "the strays are not first";
  EXPECT_EQ(report.others[0].cause, StrayCause::no_engine);
  EXPECT_EQ(report.others[1].cause, std::nullopt);
  EXPECT_EQ(report.others[2].where, "a partition that is none of greenlane's (24 SMs)");
}

TEST(Attribute, PartitionsOfAnotherDeviceDoNotCount) {
  auto scene = two_lanes();
  scene.contexts[9] = {.is_green = false, .units = 78, .device = 1};
  auto elsewhere = kernel(0, 9, kUnknownStream);
  elsewhere.device = 1;
  EXPECT_TRUE(audit({elsewhere}, scene).is_clean());
  elsewhere.site = kPolicySite;
  EXPECT_EQ(stray_of(audit({elsewhere}, scene)).where, "all of cuda:1 (78 SMs)");
}

TEST(Attribute, AnUnknownContextCountsAsAForeignPartition) {
  const auto report = audit({kernel(kPolicySite, 77, kUnknownStream), kernel(0, 77, kUnknownStream)});
  EXPECT_EQ(report.engines[0].strays.at(0).where, "a context of cuda:0 that is none of greenlane's");
  EXPECT_EQ(report.others.at(0).cause, std::nullopt);
}

TEST(Attribute, AnUnknownLaneContextMeansNoJudgement) {
  auto scene = two_lanes();
  scene.sites[0].lane->context = std::nullopt;
  const auto report = audit({kernel(kPolicySite, kPrimary, kDefaultStream)}, scene);
  EXPECT_THAT(report.engines[0].strays, IsEmpty());
  EXPECT_FALSE(report.engines[0].is_judged);
  EXPECT_FALSE(report.is_clean());
}

TEST(Attribute, StraysAreMergedByKindAndSortedByTime) {
  auto slow = kernel(kPolicySite, kPrimary, kUnknownStream, "slow");
  slow.time = microseconds(500);
  const auto report =
      audit({kernel(kPolicySite, kPrimary, kUnknownStream, "fast"), slow, kernel(kPolicySite, kPrimary, 41, "fast"),
             kernel(kPolicySite, kPrimary, kPoolStream, "fast")});
  const auto& strays = report.engines[0].strays;
  ASSERT_THAT(strays, SizeIs(3));
  EXPECT_EQ(strays[0].kernel, "slow");
  EXPECT_EQ(strays[1].count, 10U) << "strays of two auxiliary streams are not in one row";
  EXPECT_EQ(strays[1].time, microseconds(20));
}

TEST(Attribute, KernelNamesAreDemangled) {
  const auto report = audit({kernel(kPolicySite, kPrimary, kUnknownStream, "_Z4fillPfi")});
  EXPECT_EQ(report.engines[0].strays.at(0).kernel, "fill(float*, int)");
}

TEST(Attribute, AnUnknownCallSiteBelongsToNoEngine) {
  EXPECT_EQ(audit({kernel(99, kPrimary, kUnknownStream)}).others.at(0).cause, StrayCause::no_engine);
}

}  // namespace
}  // namespace greenlane::audit
