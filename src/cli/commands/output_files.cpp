#include "cli/commands/output_files.hpp"

#include "runtime/output_target.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/detail/runtime/report.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <utility>

namespace greenlane::cli {
namespace {

namespace fs = std::filesystem;

constexpr auto kStandardOutput = "/dev/stdout";

fs::path meant_by(const fs::path& output) { return output == "-" ? fs::path(kStandardOutput) : output; }

std::vector<NamedFile> files_of(const runtime::PipelineConfig& config) {
  std::vector<NamedFile> files{{"the configuration", config.file}};
  for (const auto& engine : config.engines) {
    files.push_back({"the model of engine '" + engine.name + "'", engine.model});
    files.push_back({"the inputs of engine '" + engine.name + "'", engine.inputs});
    files.push_back({"the expected outputs of engine '" + engine.name + "'", engine.outputs});
    for (const auto& edge : engine.edges)
      files.push_back({"initial data of engine '" + engine.name + "'", edge.initial});
  }
  for (const auto& source : config.sources)
    files.push_back({"the recorded items of source '" + source.name + "'", source.items});
  for (const auto& library : config.libraries) {
    // The system's library search finds a bare name, not this folder.
    if (library.has_parent_path()) files.push_back({"a library of the configuration", library});
  }
  return files;
}

struct Known {
  const NamedFile* file;
  runtime::FileIdentity identity;
};

[[noreturn]] void fail_to_print(const std::string& why) {
  throw EngineError(
      {.what = "standard output cannot be written", .why = why, .remedy = "direct it to a file or a pipe that can be"});
}

void check_standard_output() {
  const int flags = ::fcntl(STDOUT_FILENO, F_GETFL);
  if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY) fail_to_print("it is closed");
}

void add(std::vector<Known>& known, const NamedFile& file, const fs::path& path) {
  if (path.empty()) return;
  if (auto identity = runtime::identity_of(path)) known.push_back({&file, std::move(*identity)});
}

}  // namespace

void check_outputs(std::initializer_list<NamedFile> outputs, const runtime::PipelineConfig& config,
                   std::vector<NamedFile> inputs) {
  for (auto& file : files_of(config)) inputs.push_back(std::move(file));
  std::vector<Known> read;
  for (const auto& input : inputs) add(read, input, input.path);
  std::vector<Known> written;
  for (const auto& output : outputs) {
    if (output.path.empty()) continue;
    const auto path = meant_by(output.path);
    const auto identity = runtime::identity_of(path);
    for (const auto& [other, its] : read) {
      if (identity == its)
        throw ConfigError({.what = output.name + " '" + output.path.string() + "'",
                           .why = "that file is " + other->name + ", which is read",
                           .remedy = "name another file"});
    }
    for (const auto& [other, its] : written) {
      if (identity == its)
        throw ConfigError({.what = other->name + " and " + output.name,
                           .why = "both name '" + output.path.string() + "'",
                           .remedy = "name two files"});
    }
    runtime::check_writable(path);
    add(written, output, path);
  }
}

Output::Output(const fs::path& path) : path_(meant_by(path)) {
  if (path_.empty() || runtime::descriptor_of(path_) != STDOUT_FILENO) return;
  is_standard_output_ = true;
  (void)std::fflush(stdout);
  const int kept = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  if (kept < 0 || ::dup2(STDERR_FILENO, STDOUT_FILENO) < 0) return;
  path_ = "/proc/self/fd/" + std::to_string(kept);
}

void Output::write(const std::string& text) const {
  write([&](const runtime::TextSink& sink) { sink(text); });
}

void Output::write(const std::function<void(const runtime::TextSink& sink)>& give) const {
  try {
    runtime::write_file(path_, give);
  } catch (const ConfigError& error) {
    if (!is_standard_output_) throw;
    const std::string message = error.what();
    // The path in front means nothing to the user, and the remedy behind is another one.
    const auto begin = message.find(": ");
    const auto why = begin == std::string::npos ? message : message.substr(begin + 2);
    fail_to_print(why.substr(0, why.rfind("; ")));
  }
}

DocumentOutputs document_outputs(const fs::path& file, bool is_printed, const runtime::PipelineConfig& config,
                                 std::vector<NamedFile> inputs) {
  const fs::path standard_output = is_printed ? kStandardOutput : "";
  if (is_printed) check_standard_output();
  check_outputs({{"--out", file}, {"--json", standard_output}}, config, std::move(inputs));
  return {.file = Output(file), .printed = Output(standard_output)};
}

}  // namespace greenlane::cli
