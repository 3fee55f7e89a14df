// A CUPTI made of bookkeeping. It hands out the records that a test writes, in buffers that it asks for.
#pragma once

#include "audit/cupti_table.hpp"

#include <cstdint>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace greenlane::fake {

// Thread safety: none. Only one object is in force at a time.
class FakeCupti {
 public:
  FakeCupti();
  ~FakeCupti();
  FakeCupti(const FakeCupti&) = delete;
  FakeCupti& operator=(const FakeCupti&) = delete;

  [[nodiscard]] const cupti::Table& table() const { return table_; }

  // Sets what a function answers from now on.
  void answer(const std::string& function, CUptiResult result) { answers[function] = result; }
  // Sets what enabling this kind answers.
  void refuse(CUpti_ActivityKind kind, CUptiResult result) { refusals[kind] = result; }

  // Launches work in this thread. Returns its correlation, and records the launch's owner if there is one.
  std::uint32_t launch();
  void kernel(std::uint32_t correlation, CUcontext context, CUstream stream, const char* name, bool in_graph = false);
  void copy(std::uint32_t correlation, CUcontext context, CUstream stream);
  void set(std::uint32_t correlation, CUcontext context, CUstream stream);
  void context(std::uint32_t number, bool is_green, int units);
  void external(CUpti_ExternalCorrelationKind kind, std::uint32_t correlation, std::uint64_t id);
  // Writes a record of a kind that nobody reads.
  void api_call();

  // Hands over the written records, in the buffers of the registered callbacks.
  void flush();
  // Hands over a buffer that somebody else made.
  void give_foreign(std::vector<std::uint8_t>& buffer);

  std::map<std::string, CUptiResult> answers;
  std::map<CUpti_ActivityKind, CUptiResult> refusals;
  std::map<std::string, int> calls;
  std::set<CUpti_ActivityKind> enabled;
  std::vector<std::uint64_t> stack;  // of the only thread
  std::map<const void*, std::uint32_t> numbers;
  std::size_t dropped = 0;
  CUpti_TimestampCallbackFunc now = nullptr;
  CUpti_BuffersCallbackRequestFunc request = nullptr;
  CUpti_BuffersCallbackCompleteFunc complete = nullptr;
  std::uint32_t next_correlation = 1;
  std::uint64_t length_ns = 1000;  // the length of each piece of work

  [[nodiscard]] std::uint32_t number_of(const void* handle);

 private:
  template <class Record>
  void write(const Record& record) {
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(&record);
    pending_.emplace_back(bytes, bytes + sizeof record);
  }
  std::vector<std::vector<std::uint8_t>> pending_;
  cupti::Table table_;
};

}  // namespace greenlane::fake
