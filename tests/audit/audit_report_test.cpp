#include <greenlane/audit/audit_report.hpp>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <set>

namespace greenlane::audit {
namespace {

using nlohmann::json;
using std::chrono::microseconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

AuditReport with_strays() {
  AuditReport report;
  AuditedEngine policy{.name = "policy",
                       .lane = "fast",
                       .units = 16,
                       .calls = 10,
                       .kernels = 40,
                       .copies = 20,
                       .time = microseconds(1500),
                       .strays = {}};
  policy.strays.push_back({.kernel = "void fill<float>(float*)",
                           .count = 10,
                           .time = microseconds(30),
                           .where = "all of cuda:0 (132 SMs)",
                           .cause = StrayCause::pool_stream});
  report.engines.push_back(policy);
  report.engines.push_back({.name = "loose", .lane = {}, .calls = 1, .kernels = 1, .time = microseconds(1)});
  report.others.push_back(
      {.kernel = "relu", .count = 2, .time = microseconds(5), .where = "partition 'fast' (16 SMs)", .cause = {}});
  return report;
}

TEST(AuditReport, TheJsonHasTheDocumentedFields) {
  const auto document = json::parse(audit_json(with_strays()));
  EXPECT_EQ(document.at("clean"), false);
  EXPECT_EQ(document.at("dropped"), 0);
  const auto& engine = document.at("engines").at(0);
  EXPECT_EQ(engine.at("name"), "policy");
  EXPECT_EQ(engine.at("lane"), "fast");
  EXPECT_EQ(engine.at("units"), 16);
  EXPECT_EQ(engine.at("kernels"), 40);
  EXPECT_EQ(engine.at("copies"), 20);
  EXPECT_EQ(engine.at("gpu_us"), 1500.0);
  const auto& stray = engine.at("strays").at(0);
  EXPECT_EQ(stray.at("kernel"), "void fill<float>(float*)") << "the JSON does not have the whole kernel name";
  EXPECT_EQ(stray.at("count"), 10);
  EXPECT_EQ(stray.at("gpu_us"), 30.0);
  EXPECT_EQ(stray.at("where"), "all of cuda:0 (132 SMs)");
  EXPECT_EQ(stray.at("cause"), "a stream of PyTorch's pool");
  EXPECT_TRUE(document.at("engines").at(1).at("lane").is_null());
  EXPECT_TRUE(document.at("others").at(0).at("cause").is_null());
}

TEST(AuditReport, TheTextListsEnginesStraysAndOtherWork) {
  const auto text = audit_text(with_strays());
  EXPECT_THAT(text, AllOf(HasSubstr("policy"), HasSubstr("16 SMs"), HasSubstr("10 kernels ran outside of a partition"),
                          HasSubstr("fill<float>"), HasSubstr("a stream of PyTorch's pool"), HasSubstr("other work"),
                          HasSubstr("relu"), Not(HasSubstr("no strays"))));
}

TEST(AuditReport, ACleanReportSaysSo) {
  AuditReport report;
  report.engines.push_back({.name = "policy", .lane = "fast", .units = 1});
  EXPECT_TRUE(report.is_clean());
  EXPECT_THAT(audit_text(report), AllOf(HasSubstr("no strays"), HasSubstr("1 SM"), Not(HasSubstr("other work"))));
  EXPECT_EQ(json::parse(audit_json(report)).at("clean"), true);
}

TEST(AuditReport, TheTextNamesGapsInTheRecords) {
  AuditReport report;
  report.engines.push_back({.name = "policy", .lane = "fast", .is_judged = false});
  report.trace_is_cut = true;
  EXPECT_FALSE(report.is_clean());
  EXPECT_THAT(audit_text(report), AllOf(HasSubstr("'policy' could not be judged"), HasSubstr("first kernels only"),
                                        Not(HasSubstr("no strays"))));
  report.dropped = 7;
  EXPECT_THAT(audit_text(report), HasSubstr("7 records were lost"));
}

TEST(AuditReport, EveryCauseHasADifferentText) {
  std::set<std::string_view> words;
  for (const auto cause :
       {StrayCause::captured_elsewhere, StrayCause::pool_stream, StrayCause::default_stream, StrayCause::other_lane,
        StrayCause::side_stream, StrayCause::not_bound, StrayCause::no_engine})
    words.insert(to_string(cause));
  EXPECT_EQ(words.size(), 7U);
}

}  // namespace
}  // namespace greenlane::audit
