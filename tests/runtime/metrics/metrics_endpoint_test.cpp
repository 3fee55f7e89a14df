#include <greenlane/core/error.hpp>
#include <greenlane/detail/runtime/metrics_endpoint.hpp>

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace greenlane::runtime {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using ::testing::ThrowsMessage;

class Connection {
 public:
  explicit Connection(const MetricsEndpoint& endpoint) {
    const auto address = endpoint.address();
    const auto colon = address.rfind(':');
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))));
    inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr);
    if (connect(socket_, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0)
      throw std::runtime_error("nobody listens at " + address);
  }
  ~Connection() { close(socket_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void say(const std::string& text) const { (void)send(socket_, text.data(), text.size(), MSG_NOSIGNAL); }
  // Returns all that comes until the other side closes.
  [[nodiscard]] std::string hear() const {
    std::string answer;
    std::array<char, 4096> part{};
    for (ssize_t size = 0; (size = recv(socket_, part.data(), part.size(), 0)) > 0;)
      answer.append(part.data(), static_cast<std::size_t>(size));
    return answer;
  }

 private:
  int socket_ = socket(AF_INET, SOCK_STREAM, 0);
};

// Asks for a path, and returns the whole answer.
std::string get(const MetricsEndpoint& endpoint, const std::string& path = "/metrics") {
  const Connection connection(endpoint);
  connection.say("GET " + path + " HTTP/1.0\r\n\r\n");
  return connection.hear();
}

PipelineStats stats_with(int items) {
  PipelineStats stats;
  stats.sources.push_back({.name = "camera", .published = static_cast<std::uint64_t>(items)});
  return stats;
}

TEST(MetricsEndpoint, GivesTheFiguresOfTheMoment) {
  MetricsEndpoint endpoint("127.0.0.1:0");
  EXPECT_THAT(endpoint.address(), AllOf(StartsWith("127.0.0.1:"), Not(HasSubstr(":0"))));
  EXPECT_THAT(get(endpoint), HasSubstr("503"));
  int items = 0;
  endpoint.watch([&] { return stats_with(++items); });
  EXPECT_THAT(get(endpoint), AllOf(HasSubstr("200 OK"), HasSubstr("text/plain; version=0.0.4"),
                                   HasSubstr("greenlane_source_items_total{source=\"camera\"} 1\n")));
  EXPECT_THAT(get(endpoint), HasSubstr("greenlane_source_items_total{source=\"camera\"} 2\n"));
  endpoint.watch({});
  EXPECT_THAT(get(endpoint), HasSubstr("503")) << "Prometheus would take an empty answer for a healthy pipeline";
  EXPECT_THAT(get(endpoint, "/"), HasSubstr("404"));
}

TEST(MetricsEndpoint, FiguresThatCannotBeReadGiveNone) {
  MetricsEndpoint endpoint("0");
  endpoint.watch([]() -> PipelineStats { throw std::runtime_error("the device is lost"); });
  EXPECT_THAT(get(endpoint), AllOf(HasSubstr("503"), Not(HasSubstr("greenlane_"))));
}

TEST(MetricsEndpoint, TheEndOfAWatchWaitsForAScrape) {
  MetricsEndpoint endpoint("0");
  for (int turn = 0; turn < 50; ++turn) {
    std::atomic<bool> is_alive{true};
    std::atomic<bool> was_dead{false};
    endpoint.watch([&] {
      if (!is_alive) was_dead = true;
      std::this_thread::sleep_for(std::chrono::microseconds(200));
      if (!is_alive) was_dead = true;
      return stats_with(1);
    });
    std::jthread scrape([&] { (void)get(endpoint); });
    std::this_thread::sleep_for(std::chrono::microseconds(20 * turn));
    endpoint.watch({});
    is_alive = false;
    scrape.join();
    ASSERT_FALSE(was_dead);
  }
}

TEST(MetricsEndpoint, AnAddressInUseIsAnError) {
  const MetricsEndpoint endpoint("0");
  const auto address = endpoint.address();
  EXPECT_THAT([&] { MetricsEndpoint other(address); },
              ThrowsMessage<ConfigError>(AllOf(HasSubstr(address), HasSubstr("Address already in use"))));
}

TEST(MetricsEndpoint, SilentClientsStopNobody) {
  auto endpoint = std::make_unique<MetricsEndpoint>("0");
  endpoint->watch([] { return stats_with(1); });
  const Connection silent(*endpoint);
  const Connection slow(*endpoint);
  slow.say("GET /met");
  EXPECT_THAT(get(*endpoint), HasSubstr("greenlane_source_items_total"))
      << "two clients that say nothing hold the server";
  const Connection other(*endpoint);
  const auto begin = std::chrono::steady_clock::now();
  endpoint.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(30));
}

TEST(MetricsEndpoint, OtherRequestsAreRefused) {
  MetricsEndpoint endpoint("0");
  endpoint.watch([] { return stats_with(1); });
  const auto answer_to = [&](const std::string& request) {
    const Connection connection(endpoint);
    connection.say(request);
    return connection.hear();
  };
  EXPECT_THAT(answer_to("POST /metrics HTTP/1.1\r\nContent-Length: 0\r\n\r\n"), HasSubstr("405"));
  EXPECT_THAT(answer_to("POST /metrics HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"), HasSubstr("413"));
  EXPECT_THAT(answer_to("GET /metrics HTTP/1.1\r\nLong: " + std::string(10'000, 'x') + "\r\n\r\n"), HasSubstr("413"));
  EXPECT_THAT(answer_to("nonsense\r\n\r\n"), HasSubstr("400"));
  EXPECT_THAT(answer_to("GET /metrics?name=a HTTP/1.1\r\n\r\n"), HasSubstr("200 OK"));
  EXPECT_THAT(answer_to("HEAD /metrics HTTP/1.1\r\n\r\n"), HasSubstr("200 OK"));
}

TEST(MetricsEndpoint, ManyClientsTakeFewFileDescriptors) {
  const auto open_files = [] {
    const std::filesystem::directory_iterator files("/proc/self/fd");
    return std::distance(begin(files), end(files));
  };
  MetricsEndpoint endpoint("0");
  endpoint.watch([] { return stats_with(1); });
  constexpr int kMany = 100;
  const auto before = open_files();
  std::vector<std::unique_ptr<Connection>> silent;
  for (int i = 0; i < kMany; ++i) silent.push_back(std::make_unique<Connection>(endpoint));
  EXPECT_LE(open_files() - before, kMany + 32);
  EXPECT_THAT(get(endpoint), HasSubstr("greenlane_source_items_total")) << "those that said nothing were not left";
}

TEST(MetricsEndpoint, AStartedProgramDoesNotHoldTheAddress) {
  auto endpoint = std::make_unique<MetricsEndpoint>("0");
  const auto address = endpoint->address();
  ASSERT_EQ(std::system("sleep 5 &"), 0);  // NOLINT(concurrency-mt-unsafe)
  endpoint.reset();
  EXPECT_NO_THROW(MetricsEndpoint second(address));
}

TEST(MetricsEndpoint, AForkedChildDoesNotHoldTheAddress) {
  auto endpoint = std::make_unique<MetricsEndpoint>("0");
  const auto address = endpoint->address();
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    pause();
    _exit(0);
  }
  endpoint.reset();
  EXPECT_NO_THROW(MetricsEndpoint second(address));
  kill(child, SIGKILL);
  EXPECT_EQ(waitpid(child, nullptr, 0), child);
}

TEST(MetricsEndpoint, TheAddressIsFreeAgainAtItsEnd) {
  auto first = std::make_unique<MetricsEndpoint>("0");
  const auto address = first->address();
  (void)get(*first);
  first.reset();
  EXPECT_NO_THROW(MetricsEndpoint second(address));
}

}  // namespace
}  // namespace greenlane::runtime
