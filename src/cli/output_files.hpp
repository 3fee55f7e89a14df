// The files that a command writes: told apart from those that it reads, and from what it prints.
#pragma once

#include <greenlane/runtime/config.hpp>

#include <CLI/CLI.hpp>

#include <filesystem>
#include <initializer_list>
#include <string>
#include <vector>

namespace greenlane::cli {

// Refuses an empty name, which an empty variable of a shell leaves. Without this check the option counts as not given.
class FileName : public CLI::Validator {
 public:
  FileName();
};

// A file and what it is to the command.
struct NamedFile {
  std::string name;
  std::filesystem::path path;  // empty: not given
};

// Refuses outputs that cannot be written, that are one file, or that are read: the configuration and every file that it
// names, and `inputs`. Files are compared by what they are and not by their spelling.
// Throws: ConfigError.
void check_outputs(std::initializer_list<NamedFile> outputs, const runtime::PipelineConfig& config,
                   std::vector<NamedFile> inputs = {});

// Returns the path to write to. "-" is standard output. If the output is standard output, then from now on text for
// people goes to standard error, so that programs can read what is left.
[[nodiscard]] std::filesystem::path kept_apart(const std::filesystem::path& output);

}  // namespace greenlane::cli
