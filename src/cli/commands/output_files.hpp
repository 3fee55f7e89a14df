// Keeps the files that a command writes apart from the files that it reads, and from the text that it prints.
#pragma once

#include <greenlane/detail/runtime/config.hpp>
#include <greenlane/detail/runtime/output_file.hpp>

#include <filesystem>
#include <functional>
#include <initializer_list>
#include <string>
#include <vector>

namespace greenlane::cli {

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

// Where a command writes a document: a file, or standard output.
class Output {
 public:
  Output() = default;  // nowhere
  // "-" is standard output. If `path` is standard output, text for people goes to standard error from now on, so that
  // programs can read the document alone.
  explicit Output(const std::filesystem::path& path);

  explicit operator bool() const noexcept { return !path_.empty(); }
  // Throws: ConfigError if the file cannot be written, EngineError if standard output cannot.
  void write(const std::string& text) const;
  void write(const std::function<void(const runtime::TextSink& sink)>& give) const;

 private:
  std::filesystem::path path_;
  bool is_standard_output_ = false;
};

// A document that goes to a file, is printed, or both.
struct DocumentOutputs {
  Output file;
  Output printed;
};

// Checks and opens the outputs of a document before any work is done for it. `file` may be empty.
// Throws: as check_outputs; EngineError if it shall be printed and standard output is closed.
[[nodiscard]] DocumentOutputs document_outputs(const std::filesystem::path& file, bool is_printed,
                                               const runtime::PipelineConfig& config,
                                               std::vector<NamedFile> inputs = {});

}  // namespace greenlane::cli
