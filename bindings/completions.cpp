#include "completions.hpp"

#include "python_end.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <limits>
#include <system_error>

namespace greenlane::bindings {

CompletionsObject::CompletionsObject() : descriptor_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (descriptor_ < 0)
    throw std::system_error(errno, std::generic_category(), "no event descriptor for runs of pipelines");
}

CompletionsObject::~CompletionsObject() { close(descriptor_); }

void CompletionsObject::add(std::int64_t number) noexcept {
  ended_.put(number, std::numeric_limits<std::size_t>::max());
  (void)eventfd_write(descriptor_, 1);  // fails only if the reader has not read 2**64 ends
}

std::vector<std::int64_t> CompletionsObject::take() {
  // Read first: an end that comes between the two lines makes it readable again.
  eventfd_t count = 0;
  (void)eventfd_read(descriptor_, &count);
  return ended_.take();
}

void register_completions(torch::Library& library) {
  library.class_<CompletionsObject>("Completions")
      .def(torch::init<>())
      .def("descriptor", [](const CompletionsPtr& self) -> int64_t { return self->descriptor(); })
      .def("address",
           [](const CompletionsPtr& self) {
             const WayBack way_back;
             return address_of(*self);
           })
      .def("take", [](const CompletionsPtr& self) {
        const WayBack way_back;
        return self->take();
      });
}

}  // namespace greenlane::bindings
