// torch.classes.greenlane.Completions: the runs of pipelines that have ended, in the order of their ends.
#pragma once

#include "mailbox.hpp"
#include "waitable.hpp"

#include <torch/library.h>

#include <chrono>
#include <cstdint>
#include <vector>

namespace greenlane::bindings {

// Thread safety: all members may be called from any thread.
class CompletionsObject final : public Waitable {
 public:
  // Throws: RuntimeError if the system has no further file descriptors.
  CompletionsObject();
  ~CompletionsObject() override;

  // Notes the end of the run with this number, and makes the descriptor readable. Does not throw.
  void add(std::int64_t number) noexcept;
  // Returns the numbers of runs that ended since the last call.
  [[nodiscard]] std::vector<std::int64_t> take();
  // An eventfd, which is readable while there are numbers to take.
  [[nodiscard]] int descriptor() const noexcept { return descriptor_; }
  [[nodiscard]] bool wait_for(std::chrono::nanoseconds time) const override { return ended_.wait_for(time); }

 private:
  Mailbox<std::int64_t> ended_;
  int descriptor_;
};
using CompletionsPtr = c10::intrusive_ptr<CompletionsObject>;

void register_completions(torch::Library& library);

}  // namespace greenlane::bindings
