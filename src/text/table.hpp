// Tables for people.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace greenlane::text {

// A table with columns of the necessary width. The first `left` columns are aligned left; the others, numbers, are
// aligned right. Cells are shown as terminal_text() returns them.
class Table {
 public:
  Table(std::vector<std::string> header, std::size_t left) : rows_{std::move(header)}, left_(left) {}
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  [[nodiscard]] std::string to_string() const;

 private:
  std::vector<std::vector<std::string>> rows_;
  std::size_t left_;
};

}  // namespace greenlane::text
