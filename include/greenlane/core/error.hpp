// The errors of greenlane, one family. Every message states the failure, its reason and a remedy.
#pragma once

#include <stdexcept>
#include <string>

namespace greenlane {

/// The three parts of a message. `why` and `remedy` are empty if unknown.
struct Message {
  std::string what;    ///< the failure
  std::string why;     ///< its reason
  std::string remedy;  ///< what to do about it
};

/// The base of all errors that greenlane throws. what() reads "what: why; remedy" in one line. Control characters are
/// escaped, because names from other sources may contain them.
class Error : public std::runtime_error {
 public:
  /// Makes an error of the message.
  explicit Error(const Message& message);
};

/// A device that does not exist here, or that cannot do what was requested.
class DeviceError : public Error {
 public:
  using Error::Error;
};

/// A partition that cannot be made: too many units, or no free units.
class PartitionError : public Error {
 public:
  using Error::Error;
};

/// A stream or lane that must not be used: null, reserved, closed, captured, of another device, or made before a fork
/// of this process.
class StreamError : public Error {
 public:
  using Error::Error;
};

/// An engine that cannot be loaded, or inputs that do not fit it.
class EngineError : public Error {
 public:
  using Error::Error;
};

/// A configuration, plan or command line that makes no sense.
class ConfigError : public Error {
 public:
  using Error::Error;
};

/// A request to a pipeline that ended without a run.
class RequestError : public Error {
 public:
  /// The reason for which it was not run.
  enum class Reason {
    queue_full,  ///< the queue of its engine or its tenant had no room for it
    too_many,    ///< its tenant sent more requests than its rate allows
    expired,     ///< its deadline passed before it began
    cancelled,   ///< it was cancelled by its caller or by Pipeline::close()
    closed,      ///< the pipeline was closed before it came
    stopped,     ///< its engine stopped after an error, or hangs
  };
  /// Makes an error of the message and the reason.
  RequestError(const Message& message, Reason reason) : Error(message), reason_(reason) {}
  /// Returns the reason for which it was not run.
  [[nodiscard]] Reason reason() const noexcept { return reason_; }

 private:
  Reason reason_;
};

/// An audit that cannot be made.
class AuditError : public Error {
 public:
  using Error::Error;
};

/// A failed call of the CUDA driver.
class DriverError : public Error {
 public:
  /// Makes an error of the message and the driver's CUresult.
  DriverError(const Message& message, int code) : Error(message), code_(code) {}
  /// Returns the driver's CUresult.
  [[nodiscard]] int code() const noexcept { return code_; }

 private:
  int code_;
};

}  // namespace greenlane
