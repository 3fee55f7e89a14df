// CPU quotas of control groups, in folders that look like /proc and /sys.
#include "core/cpu/cpu_limits.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace greenlane::detail {
namespace {

class CpuLimitsTest : public ::testing::Test {
 protected:
  CpuLimitsTest() {
    std::string name = (std::filesystem::temp_directory_path() / "greenlane-limits-XXXXXX").string();
    root_ = mkdtemp(name.data());
  }
  ~CpuLimitsTest() override { std::filesystem::remove_all(root_); }
  CpuLimitsTest(const CpuLimitsTest&) = delete;
  CpuLimitsTest& operator=(const CpuLimitsTest&) = delete;

  void write(const std::string& file, const std::string& text) const {
    std::filesystem::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text;
  }
  void write_v2(const std::string& group, const std::string& mounted = "/") const {
    write("proc/self/cgroup", "0::" + group + "\n");
    write("proc/self/mountinfo", "21 20 0:19 / /proc rw - proc proc rw\n30 20 0:26 " + mounted +
                                     " /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n");
  }
  void write_v1(const std::string& group, const std::string& mounted) const {
    write("proc/self/cgroup", "5:cpuset:/other\n4:cpu,cpuacct:" + group + "\n0::/\n");
    write("proc/self/mountinfo",
          "31 20 0:27 /other /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
          "32 20 0:28 " +
              mounted + " /sys/fs/cgroup/cpu,cpuacct rw shared:10 - cgroup cgroup rw,cpu,cpuacct\n");
  }

  std::filesystem::path root_;  // NOLINT(misc-non-private-member-variables-in-classes)
};

TEST_F(CpuLimitsTest, AMachineWithoutControlGroupsHasNoQuota) { EXPECT_EQ(cpu_quota(root_), std::nullopt); }

TEST_F(CpuLimitsTest, TheQuotaOfVersion2IsRead) {
  write_v2("/");
  write("sys/fs/cgroup/cpu.max", "150000 100000\n");
  EXPECT_EQ(cpu_quota(root_), 1.5);
}

TEST_F(CpuLimitsTest, MaxInVersion2MeansNoQuota) {
  write_v2("/");
  write("sys/fs/cgroup/cpu.max", "max 100000\n");
  EXPECT_EQ(cpu_quota(root_), std::nullopt);
}

TEST_F(CpuLimitsTest, TheSmallestQuotaOfAllParentGroupsApplies) {
  write_v2("/system.slice/robot.service");
  write("sys/fs/cgroup/system.slice/robot.service/cpu.max", "400000 100000\n");
  write("sys/fs/cgroup/system.slice/cpu.max", "300000 100000\n");
  EXPECT_EQ(cpu_quota(root_), 3.0);
  write("sys/fs/cgroup/system.slice/robot.service/cpu.max", "50000 100000\n");
  EXPECT_EQ(cpu_quota(root_), 0.5);
}

TEST_F(CpuLimitsTest, TheQuotaOfVersion1IsRead) {
  write_v1("/batch/job", "/");
  write("sys/fs/cgroup/cpu,cpuacct/batch/job/cpu.cfs_quota_us", "200000\n");
  write("sys/fs/cgroup/cpu,cpuacct/batch/job/cpu.cfs_period_us", "50000\n");
  write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
  write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cpu_quota(root_), 4.0);
}

TEST_F(CpuLimitsTest, MinusOneInVersion1MeansNoQuota) {
  write_v1("/", "/");
  write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
  write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cpu_quota(root_), std::nullopt);
}

TEST_F(CpuLimitsTest, AContainersOwnGroupIsTheMountPoint) {
  write_v1("/docker/abc", "/docker/abc");
  write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "250000\n");
  write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cpu_quota(root_), 2.5);
}

TEST_F(CpuLimitsTest, TheMountPointReplacesAGroupOutsideTheMount) {
  write_v2("/../elsewhere", "/inside");
  write("sys/fs/cgroup/cpu.max", "100000 100000\n");
  EXPECT_EQ(cpu_quota(root_), 1.0);
}

TEST_F(CpuLimitsTest, AnInvalidQuotaIsIgnored) {
  write_v2("/");
  write("sys/fs/cgroup/cpu.max", "much 100000\n");
  EXPECT_EQ(cpu_quota(root_), std::nullopt);
  write("sys/fs/cgroup/cpu.max", "100000 0\n");
  EXPECT_EQ(cpu_quota(root_), std::nullopt);
}

TEST_F(CpuLimitsTest, TheQuotaOfThisMachineCanBeRead) { EXPECT_GT(cpu_quota().value_or(1), 0); }

}  // namespace
}  // namespace greenlane::detail
