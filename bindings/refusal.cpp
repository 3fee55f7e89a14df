#include "refusal.hpp"

#include <string>
#include <string_view>

namespace greenlane::bindings {
namespace {

std::string_view name_of(RequestError::Reason reason) {
  switch (reason) {
    case RequestError::Reason::queue_full:
      return "queue_full";
    case RequestError::Reason::too_many:
      return "too_many";
    case RequestError::Reason::expired:
      return "expired";
    case RequestError::Reason::cancelled:
      return "cancelled";
    case RequestError::Reason::closed:
      return "closed";
    case RequestError::Reason::stopped:
      break;
  }
  return "stopped";
}

}  // namespace

Refusal refusal_of(const RequestError& error) { return {std::string(name_of(error.reason())), error.what()}; }

}  // namespace greenlane::bindings
