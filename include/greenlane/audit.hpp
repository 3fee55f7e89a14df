// All of greenlane::audit: audits.
#pragma once

#include <greenlane/audit/audit.hpp>
#include <greenlane/audit/audit_report.hpp>
