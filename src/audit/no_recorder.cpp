// Replaces cupti_recorder.cpp where CMake found no headers of CUPTI.
#include "audit/recorder.hpp"

#include <greenlane/core/error.hpp>

namespace greenlane::audit {

Recorder& recorder() {
  throw AuditError(
      {.what = "an audit cannot be made",
       .why = "greenlane was built without CUPTI's headers",
       .remedy = "install them (they come with PyTorch's nvidia-cuda-cupti, or a toolkit) and build again"});
}

}  // namespace greenlane::audit
