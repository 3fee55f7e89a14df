// The one table of CUPTI's functions.
//
// CUPTI comes with PyTorch or with a toolkit and is opened at the first audit: nothing links to it. Tests put a table
// of their own in its place.
// Thread safety: all functions.
#pragma once

#include "driver/scoped_table.hpp"

#include <cupti.h>

#include <string>

#define GREENLANE_CUPTI_FUNCTIONS(X)        \
  X(cuptiActivityDisable)                   \
  X(cuptiActivityEnable)                    \
  X(cuptiActivityFlushAll)                  \
  X(cuptiActivityGetNextRecord)             \
  X(cuptiActivityGetNumDroppedRecords)      \
  X(cuptiActivityPopExternalCorrelationId)  \
  X(cuptiActivityPushExternalCorrelationId) \
  X(cuptiActivityRegisterCallbacks)         \
  X(cuptiActivityRegisterTimestampCallback) \
  X(cuptiGetContextId)                      \
  X(cuptiGetResultString)                   \
  X(cuptiGetStreamIdEx)

namespace greenlane::cupti {

struct Table {
#define GREENLANE_CUPTI_MEMBER(name) decltype(&::name) name = nullptr;  // NOLINT(bugprone-macro-parentheses)
  GREENLANE_CUPTI_FUNCTIONS(GREENLANE_CUPTI_MEMBER)
#undef GREENLANE_CUPTI_MEMBER
};

// Returns the table in force. Null where there is no CUPTI of the kind that greenlane was built for;
// unavailable_reason() then says why.
[[nodiscard]] const Table* find() noexcept;
[[nodiscard]] std::string unavailable_reason();

// A test's table, in force while the object lives.
using ScopedTable = driver::ScopedTableOf<Table>;

}  // namespace greenlane::cupti
