// Runs every way to share a device in a coarse grid, with which plans are compared: splits CONFIG PROFILE.json OUT.json
// [STEP [SECONDS]], sizes in steps of STEP (3) groups, each for SECONDS (1). Ways in which an engine has a predicted
// p99 of more than twice its deadline are left out. The best three that met all deadlines are run again at the end, for
// twice as long, because the best of many was lucky in part.
#include <greenlane/core/error.hpp>
#include <greenlane/detail/runtime/output_file.hpp>
#include <greenlane/detail/runtime/plan_json.hpp>
#include <greenlane/detail/runtime/planning.hpp>
#include <greenlane/detail/runtime/profile_file.hpp>
#include <greenlane/detail/runtime/report.hpp>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace greenlane;
using namespace greenlane::runtime;

constexpr std::size_t kRunAgain = 3;

using Blocks = std::vector<std::vector<std::size_t>>;

// Visits every way to put the engines into blocks.
void for_each_blocks(std::size_t engines, Blocks& blocks, std::size_t next, const std::function<void()>& use) {
  if (next == engines) {
    use();
    return;
  }
  for (std::size_t i = 0; i <= blocks.size(); ++i) {
    const bool is_new = i == blocks.size();
    if (is_new) blocks.emplace_back();
    blocks[i].push_back(next);
    for_each_blocks(engines, blocks, next + 1, use);
    blocks[i].pop_back();
    if (is_new) {
      blocks.pop_back();
      break;
    }
  }
}

class Grid {
 public:
  Grid(const PlanRequest& request, int step) : request_(request), step_(step) {}

  std::vector<Plan> plans() {
    Blocks blocks;
    for_each_blocks(request_.engines.size(), blocks, 0, [&] {
      std::vector<PlannedPartition> partitions;
      sizes(blocks, partitions, request_.device.whole);
    });
    return std::move(plans_);
  }

 private:
  // Visits all sizes of the remaining groups for these blocks; the last block takes the rest.
  void sizes(const Blocks& blocks, std::vector<PlannedPartition>& partitions, int groups) {
    if (groups < 1) return;
    const auto index = partitions.size();
    const bool is_last = index + 1 == blocks.size();
    for (int take = is_last ? groups : step_; take <= groups; take += step_) {
      for (const auto sharing : ways(blocks[index])) {
        PlannedPartition partition;
        partition.engines = blocks[index];
        partition.sharing = sharing;
        partition.is_whole = blocks.size() == 1;
        partition.is_rest = is_last && !partition.is_whole;
        if (!is_last) partition.units = {take * request_.device.each.count};
        partitions.push_back(partition);
        if (is_last) {
          auto plan = predict(request_, partitions);
          if (plan.slack > -1) plans_.push_back(std::move(plan));
        } else {
          sizes(blocks, partitions, groups - take);
        }
        partitions.pop_back();
      }
    }
  }

  [[nodiscard]] std::vector<Sharing> ways(const std::vector<std::size_t>& engines) const {
    if (engines.size() == 1) return {Sharing::alone};
    const auto is_urgent = [&](std::size_t i) { return request_.engines[i].deadline.has_value(); };
    const auto can_wait = [&](std::size_t i) { return is_urgent(i) || !request_.engines[i].slices.empty(); };
    if (std::ranges::any_of(engines, is_urgent) && std::ranges::all_of(engines, can_wait))
      return {Sharing::queue, Sharing::gated};
    return {Sharing::queue};
  }

  const PlanRequest& request_;
  int step_;
  std::vector<Plan> plans_;
};

// Returns the indices of the candidates that met all deadlines, the best first.
std::vector<std::size_t> best_that_met(const std::vector<PlanCandidate>& candidates, std::size_t most) {
  std::vector<PlanCandidate> left;
  std::vector<std::size_t> indices;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    if (!candidates[i].measured.value().meets_deadlines) continue;
    left.push_back(candidates[i]);
    indices.push_back(i);
  }
  std::vector<std::size_t> best;
  while (best.size() < most && !left.empty()) {
    const auto next = static_cast<std::ptrdiff_t>(best_of(left));
    best.push_back(indices[static_cast<std::size_t>(next)]);
    left.erase(left.begin() + next);
    indices.erase(indices.begin() + next);
  }
  return best;
}

void run(int argc, char** argv) {
  LoadedPipeline pipeline(load_config(argv[1]));
  PlanResult result{.request = plan_request(pipeline.config(), load_profile(argv[2])), .candidates = {}, .chosen = 0};
  RunOptions options;
  options.duration = std::chrono::milliseconds(static_cast<int>(1e3 * (argc > 5 ? std::stod(argv[5]) : 1)));
  options.warm_up = std::chrono::milliseconds(200);
  const auto measure = [&](PlanCandidate candidate) {
    candidate.measured = try_candidate(pipeline, result.request, candidate, options);
    result.candidates.push_back(std::move(candidate));
    const auto& measured = *result.candidates.back().measured;
    result.chosen = best_of(result.candidates);
    std::printf("%zu %s: %.3f, slack %.2f\n", result.candidates.size(),
                std::string(to_string(result.candidates.back().mode)).c_str(), measured.throughput, measured.slack);
    std::fflush(stdout);
    // Keeps the results so far, in case the machine's time runs out.
    write_file(argv[3], plan_json(result, pipeline.device().info()));
  };
  const auto sliced = with_slices(pipeline.config(), result.request);
  for (const Mode mode : {Mode::gates, Mode::priority, Mode::shared})
    measure({.mode = mode, .plan = {}, .config = sliced, .measured = {}});
  auto plans = Grid(result.request, argc > 4 ? std::stoi(argv[4]) : 3).plans();
  std::printf("%zu splits\n", plans.size());
  for (auto& plan : plans) {
    auto config = with_plan(pipeline.config(), plan);
    measure({.mode = Mode::lanes, .plan = std::move(plan), .config = std::move(config), .measured = {}});
  }
  options.duration *= 2;
  for (const auto index : best_that_met(result.candidates, kRunAgain)) {
    std::printf("again %zu, ", index + 1);
    measure(result.candidates[index]);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: splits CONFIG PROFILE.json OUT.json [STEP [SECONDS]]\n");
    return 2;
  }
  try {
    run(argc, argv);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "splits: %s\n", error.what());
    return 2;
  }
}
