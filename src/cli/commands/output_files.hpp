// Keeps the files that a command writes apart from the files that it reads, and from the text that it prints.
#pragma once

#include <greenlane/detail/runtime/config.hpp>

#include <filesystem>
#include <initializer_list>
#include <string>
#include <vector>

namespace greenlane::cli {

inline constexpr auto kStandardOutput = "/dev/stdout";

// A file and its role in the command.
struct NamedFile {
  std::string name;
  std::filesystem::path path;  // empty: not given
};

// Refuses outputs that cannot be written, that are the same file, or that the command reads: the configuration, every
// file that it names, and `inputs`. Files are compared by identity and not by spelling.
// Throws: ConfigError.
void check_outputs(std::initializer_list<NamedFile> outputs, const runtime::PipelineConfig& config,
                   std::vector<NamedFile> inputs = {});

// Returns the path to write to. "-" is standard output. If the output is standard output, text for people goes to
// standard error from now on, so that programs can read the output alone.
[[nodiscard]] std::filesystem::path kept_apart(const std::filesystem::path& output);

// Checks that a document can be printed on standard output. Throws: EngineError, as print_document does.
void check_standard_output();

// Prints a document on standard output, which kept_apart(kStandardOutput) returned.
void print_document(const std::filesystem::path& kept, const std::string& text);

}  // namespace greenlane::cli
