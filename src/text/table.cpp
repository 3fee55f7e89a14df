#include "text/table.hpp"

#include "text/terminal_text.hpp"

#include <algorithm>

namespace greenlane::text {
namespace {

// Counts characters, not bytes: "µ" has two bytes.
std::size_t width(const std::string& text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

}  // namespace

std::string Table::to_string() const {
  std::vector<std::vector<std::string>> rows = rows_;
  for (auto& row : rows) {
    for (auto& cell : row) cell = terminal_text(cell);
  }
  std::vector<std::size_t> widths(rows.front().size());
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  }
  std::string text;
  const auto append = [&](const std::vector<std::string>& row) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - width(row[i]), ' ');
      text += i == 0 ? "  " : "   ";
      text += i < left_ ? row[i] + padding : padding + row[i];
    }
    text.erase(text.find_last_not_of(' ') + 1);
    text += '\n';
  };
  append(rows.front());
  std::size_t total = 2;
  for (const auto w : widths) total += w + 3;
  text += "  ";
  for (std::size_t i = 5; i < total; ++i) text += "─";
  text += '\n';
  std::for_each(rows.begin() + 1, rows.end(), append);
  return text;
}

}  // namespace greenlane::text
