#include "cli/commands/long_kernels.hpp"

#include "cli/say.hpp"
#include "text/terminal_text.hpp"

#include <greenlane/detail/runtime/long_kernel.hpp>

namespace greenlane::cli {

void print_long_kernels(const runtime::ModeResult& result) {
  for (const auto& line : long_kernel_advice(result)) warn("greenlane: {}\n", text::terminal_text(line));
}

}  // namespace greenlane::cli
