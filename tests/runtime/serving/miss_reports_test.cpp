#include "runtime/serving/miss_reports.hpp"

#include "support/serving.hpp"

#include <greenlane/core/log.hpp>

#include <gmock/gmock.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>

namespace greenlane::runtime {
namespace {

TEST(MissReports, TheListenerHearsOfEachOnAnotherThread) {
  std::atomic<int> heard{0};
  std::atomic<bool> here{false};
  const auto self = std::this_thread::get_id();
  MissReports reports([&](const Miss& miss) {
    if (std::this_thread::get_id() == self) here = true;
    if (miss.engine == "policy") ++heard;
  });
  for (int i = 0; i < 5; ++i) reports.add({.engine = "policy"});
  while (heard < 5) std::this_thread::yield();
  EXPECT_FALSE(here);
}

TEST(MissReports, ASlowListenerHoldsNobody) {
  const auto door = std::make_shared<Door>();
  const auto heard = std::make_shared<std::atomic<std::size_t>>(0);
  {
    MissReports reports([=](const Miss&) {
      door->wait();
      ++*heard;
    });
    for (std::size_t i = 0; i < 2 * MissReports::kMost; ++i) reports.add({});
    door->open();
    while (*heard < MissReports::kMost) std::this_thread::yield();
  }
  EXPECT_LE(*heard, MissReports::kMost + 1);
}

TEST(MissReports, AListenersErrorIsAWarning) {
  std::atomic<bool> warned{false};
  auto former = set_warning_sink([&](const std::string& text) {
    if (text.find("no luck") != std::string::npos) warned = true;
  });
  {
    MissReports reports([](const Miss&) { throw std::runtime_error("no luck"); });
    reports.add({.engine = "policy"});
    while (!warned) std::this_thread::yield();
  }
  set_warning_sink(std::move(former));
}

TEST(MissReports, AListenerMayEndTheReports) {
  std::unique_ptr<MissReports> reports;
  std::atomic<bool> ended{false};
  Door door;
  reports = std::make_unique<MissReports>([&](const Miss&) {
    door.wait();  // nobody else uses the reports any more
    reports.reset();
    ended = true;
  });
  reports->add({});
  door.open();
  while (!ended) std::this_thread::yield();
}

}  // namespace
}  // namespace greenlane::runtime
