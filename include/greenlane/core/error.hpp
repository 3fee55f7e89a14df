// Errors: one family. Every message says what failed, why, and what to do about it.
#pragma once

#include <stdexcept>
#include <string>

namespace greenlane {

// The three parts of every message. `why` and `remedy` may be empty where nothing honest can be said.
struct Message {
  std::string what;
  std::string why;
  std::string remedy;
};

// The base of everything that greenlane throws. what() reads "what: why; remedy", in one line: control characters,
// which names of others may have, are escaped.
class Error : public std::runtime_error {
 public:
  explicit Error(const Message& message);
};

// A device that does not exist here, or that cannot do what was asked of it.
class DeviceError : public Error {
 public:
  using Error::Error;
};

// A partition that cannot be had: too many units, or none left.
class PartitionError : public Error {
 public:
  using Error::Error;
};

// A stream or a lane that must not be used: null, reserved, closed, captured, of another device, or of
// the process that this one was forked from.
class StreamError : public Error {
 public:
  using Error::Error;
};

// An engine that cannot be loaded, or inputs that do not fit it.
class EngineError : public Error {
 public:
  using Error::Error;
};

// A configuration, plan or command line that makes no sense.
class ConfigError : public Error {
 public:
  using Error::Error;
};

// An audit that cannot be made.
class AuditError : public Error {
 public:
  using Error::Error;
};

// A call of the CUDA driver that failed.
class DriverError : public Error {
 public:
  DriverError(const Message& message, int code) : Error(message), code_(code) {}
  // The driver's CUresult.
  [[nodiscard]] int code() const noexcept { return code_; }

 private:
  int code_;
};

}  // namespace greenlane
