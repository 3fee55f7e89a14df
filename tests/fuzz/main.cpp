// greenlane_fuzz TARGET CORPUS [--seconds S] [--runs N] [--seed N] [--keep FOLDER]
//
// Reads the inputs in the folder CORPUS first. Then reads changed inputs, until the time is over or the runs are done.
// An input that reaches new code joins the inputs to change, and is written to FOLDER. An input that breaks its target
// is written to the file `broken-TARGET` in the current folder. If CORPUS is a file, it is read once.
#include "fuzz/coverage.hpp"
#include "fuzz/mutator.hpp"
#include "fuzz/target.hpp"

#include <greenlane/core/log.hpp>

#include <sanitizer/common_interface_defs.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace greenlane::fuzz {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

// A reader that takes this long hangs, because no reader needs nearly as much time.
constexpr unsigned kHangSeconds = 120;

struct Arguments {
  std::string target;
  fs::path corpus;
  double seconds = 10;
  long runs = 1'000'000'000;
  std::uint64_t seed = 1;
  fs::path keep;
};

// Never destroyed, because the sanitizers may ask for them at the very end.
std::string& current_target = *new std::string;  // NOLINT(cppcoreguidelines-owning-memory)
std::string& current_input = *new std::string;   // NOLINT(cppcoreguidelines-owning-memory)

void write_broken() {
  const std::string file = "broken-" + current_target;
  std::ofstream(file, std::ios::binary) << current_input;
  std::fprintf(stderr, "fuzz: %s: the input is in %s (%zu bytes)\n", current_target.c_str(), file.c_str(),
               current_input.size());
}

// Called when an input takes too long: keeps it, so that the hang can be seen again.
[[noreturn]] void give_up(int /*signal*/) {
  std::fprintf(stderr, "fuzz: %s: an input takes more than %u s\n", current_target.c_str(), kHangSeconds);
  write_broken();
  std::_Exit(1);
}

[[noreturn]] void usage() {
  std::fputs("greenlane_fuzz TARGET CORPUS [--seconds S] [--runs N] [--seed N] [--keep FOLDER]; targets:", stderr);
  for (const auto& target : targets()) std::fprintf(stderr, " %s", std::string(target.name).c_str());
  std::fputs("\n", stderr);
  std::exit(2);
}

Arguments arguments_of(int argc, char** argv) {
  if (argc < 3 || argc % 2 == 0) usage();
  Arguments arguments{.target = argv[1], .corpus = argv[2], .keep = {}};
  for (int i = 3; i < argc; i += 2) {
    const std::string option = argv[i];
    const char* value = argv[i + 1];
    if (option == "--seconds") {
      arguments.seconds = std::strtod(value, nullptr);
    } else if (option == "--runs") {
      arguments.runs = std::strtol(value, nullptr, 10);
    } else if (option == "--seed") {
      arguments.seed = std::strtoull(value, nullptr, 10);
    } else if (option == "--keep") {
      arguments.keep = value;
    } else {
      usage();
    }
  }
  return arguments;
}

std::string bytes_of(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

std::vector<std::string> inputs_in(const fs::path& corpus) {
  if (fs::is_regular_file(corpus)) return {bytes_of(corpus)};
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(corpus)) files.push_back(entry.path());
  std::ranges::sort(files);
  std::vector<std::string> inputs;
  for (const auto& file : files) inputs.push_back(bytes_of(file));
  return inputs;
}

// Returns whether the input reached something new.
bool run_one(const Target& target, std::string input) {
  current_input = std::move(input);
  alarm(kHangSeconds);
  begin_coverage();
  target.run(current_input);
  const bool is_new = end_coverage();
  alarm(0);
  return is_new;
}

void keep(const fs::path& folder, const std::string& input) {
  if (folder.empty()) return;
  fs::create_directories(folder);
  std::ofstream(folder / std::to_string(std::hash<std::string>()(input)), std::ios::binary) << input;
}

void fuzz(const Target& target, const Arguments& arguments) {
  auto inputs = inputs_in(arguments.corpus);
  const auto given = inputs.size();
  Mutator mutator(arguments.seed);
  for (const auto& input : inputs) {
    (void)run_one(target, input);
    mutator.learn(input);
  }
  const auto begin = Clock::now();
  const std::chrono::duration<double> limit(fs::is_directory(arguments.corpus) ? arguments.seconds : 0);
  long runs = 0;
  while (!inputs.empty() && runs < arguments.runs && Clock::now() - begin < limit) {
    const auto& one = inputs[mutator.below(inputs.size())];
    const auto& other = inputs[mutator.below(inputs.size())];
    ++runs;
    if (!run_one(target, mutator.mutate(one, other))) continue;
    inputs.push_back(current_input);
    mutator.learn(current_input);
    keep(arguments.keep, current_input);
  }
  std::printf("%s: %zu inputs, %ld changed ones (seed %llu) in %.1f s, %zu of them new; %d edges\n",
              arguments.target.c_str(), given, runs, static_cast<unsigned long long>(arguments.seed),
              std::chrono::duration<double>(Clock::now() - begin).count(), inputs.size() - given, edges_reached());
}

int run(int argc, char** argv) {
  const auto arguments = arguments_of(argc, argv);
  const auto all = targets();
  const auto target = std::ranges::find(all, arguments.target, &Target::name);
  if (target == all.end()) usage();
  current_target = arguments.target;
  __sanitizer_set_death_callback(write_broken);
  (void)std::signal(SIGALRM, give_up);
  try {
    fuzz(*target, arguments);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "fuzz: %s: %s\n", current_target.c_str(), error.what());
    write_broken();
    return 1;
  }
}

}  // namespace
}  // namespace greenlane::fuzz

// Turns off leak detection, because PyTorch's reader of archives leaks when it throws.
extern "C" const char* __asan_default_options() {  // NOLINT(bugprone-reserved-identifier): the sanitizer's name
  return "detect_leaks=0:allocator_may_return_null=1";
}

int main(int argc, char** argv) {
  (void)greenlane::set_warning_sink([](const std::string& /*text*/) {});  // each changed key would be one
  return greenlane::fuzz::run(argc, argv);
}
