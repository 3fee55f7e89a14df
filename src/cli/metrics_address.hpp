// Checks addresses for metrics on the command line.
#pragma once

#include "runtime/metrics/endpoint_address.hpp"

#include <greenlane/core/error.hpp>

#include <CLI/CLI.hpp>

#include <string>

namespace greenlane::cli {

// A validator for an address that metrics can be served at. Empty text means none.
class MetricsAddress : public CLI::Validator {
 public:
  MetricsAddress() : CLI::Validator("HOST:PORT") {
    func_ = [](std::string& text) -> std::string {
      try {
        if (!text.empty()) (void)runtime::EndpointAddress::parse(text);
        return {};
      } catch (const ConfigError& error) {
        return error.what();
      }
    };
  }
};

}  // namespace greenlane::cli
