#include "text/duration.hpp"
#include "text/json_text.hpp"
#include "text/kernel_name.hpp"
#include "text/table.hpp"
#include "text/terminal_text.hpp"

#include <greenlane/audit/audit_report.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace greenlane::audit {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMostLetters = 70;

std::uint64_t count(const std::vector<AuditedKernel>& kernels) {
  std::uint64_t total = 0;
  for (const auto& kernel : kernels) total += kernel.cause ? kernel.count : 0;
  return total;
}

Json describe(const AuditedKernel& kernel) {
  return {{"kernel", kernel.kernel},
          {"count", kernel.count},
          {"gpu_us", text::to_microseconds(kernel.time)},
          {"where", kernel.where},
          {"cause", kernel.cause ? Json(to_string(*kernel.cause)) : Json()}};
}

Json describe(const std::vector<AuditedKernel>& kernels) {
  Json list = Json::array();
  for (const auto& kernel : kernels) list.push_back(describe(kernel));
  return list;
}

Json describe(const AuditedEngine& engine) {
  return {{"name", engine.name},
          {"lane", engine.lane ? Json(*engine.lane) : Json()},
          {"units", engine.units},
          {"calls", engine.calls},
          {"kernels", engine.kernels},
          {"copies", engine.copies},
          {"gpu_us", text::to_microseconds(engine.time)},
          {"judged", engine.is_judged},
          {"strays", describe(engine.strays)}};
}

std::string units_text(const AuditedEngine& engine) {
  if (!engine.lane || engine.units == 0) return "–";
  return fmt::format("{} {}", engine.units, engine.units == 1 ? "SM" : "SMs");
}

// Returns a table of strays, or of other work that no engine enqueued.
std::string table_of(const std::vector<std::pair<std::string, AuditedKernel>>& rows) {
  text::Table table({"of", "kernel", "ran on", "likely cause", "times", "GPU time"}, 4);
  for (const auto& [owner, kernel] : rows) {
    table.add({owner, text::shortened(kernel.kernel, kMostLetters), kernel.where,
               kernel.cause ? std::string(to_string(*kernel.cause)) : "", std::to_string(kernel.count),
               text::duration_text(text::to_microseconds(kernel.time))});
  }
  return table.to_string();
}

std::string engines_text(const AuditReport& report) {
  text::Table table({"engine", "lane", "units", "calls", "kernels", "copies", "GPU time", "strays"}, 2);
  for (const auto& engine : report.engines) {
    table.add({engine.name, engine.lane.value_or("none"), units_text(engine), std::to_string(engine.calls),
               std::to_string(engine.kernels), std::to_string(engine.copies),
               text::duration_text(text::to_microseconds(engine.time)),
               engine.is_judged ? std::to_string(count(engine.strays)) : "?"});
  }
  return table.to_string();
}

std::string verdict(const AuditReport& report) {
  std::string text;
  if (const auto strays = report.strays(); strays > 0) {
    text = fmt::format("  {} kernels ran outside of a partition\n", strays);
  } else if (report.is_clean()) {
    text = "  no strays\n";
  }
  for (const auto& engine : report.engines) {
    if (!engine.is_judged)
      text += fmt::format("  '{}' could not be judged: the driver does not tell its lane's context\n",
                          text::terminal_text(engine.name));
  }
  if (report.dropped > 0) text += fmt::format("  {} records were lost: of those nothing is known\n", report.dropped);
  if (report.trace_is_cut) text += "  the trace has the first kernels only: there were more than it can hold\n";
  return text;
}

}  // namespace

std::string_view to_string(StrayCause cause) {
  switch (cause) {
    case StrayCause::captured_elsewhere:
      return "a graph that was captured outside of the partition";
    case StrayCause::pool_stream:
      return "a stream of PyTorch's pool";
    case StrayCause::default_stream:
      return "the default stream";
    case StrayCause::other_lane:
      return "another lane's stream";
    case StrayCause::side_stream:
      return "a stream of the engine's own";
    case StrayCause::not_bound:
      return "the engine is not bound";
    case StrayCause::no_engine:
      return "no engine's work";
  }
  return "?";
}

std::uint64_t AuditReport::strays() const noexcept {
  std::uint64_t total = count(others);
  for (const auto& engine : engines) total += count(engine.strays);
  return total;
}

bool AuditReport::is_clean() const noexcept {
  return strays() == 0 && dropped == 0 && std::ranges::all_of(engines, &AuditedEngine::is_judged);
}

std::string audit_text(const AuditReport& report) {
  std::string text = engines_text(report);
  std::vector<std::pair<std::string, AuditedKernel>> strays;
  for (const auto& engine : report.engines) {
    for (const auto& stray : engine.strays) strays.emplace_back(engine.name, stray);
  }
  std::vector<std::pair<std::string, AuditedKernel>> others;
  for (const auto& kernel : report.others) (kernel.cause ? strays : others).emplace_back("–", kernel);
  text += verdict(report);
  if (!strays.empty()) text += "\nstrays\n" + table_of(strays);
  if (!others.empty()) text += "\nother work, inside of partitions or beside none\n" + table_of(others);
  return text;
}

std::string audit_json(const AuditReport& report) {
  Json engines = Json::array();
  for (const auto& engine : report.engines) engines.push_back(describe(engine));
  const Json json{{"engines", std::move(engines)},
                  {"others", describe(report.others)},
                  {"clean", report.is_clean()},
                  {"dropped", report.dropped}};
  return text::json_text(json);
}

}  // namespace greenlane::audit
