// The parts of PyTorch that greenlane does not link.
#pragma once

namespace greenlane::detail {

// Loads libtorch.so and with it PyTorch's CUDA half, unless they are there already: compiled packages ask for that
// name, and engines on a GPU for that half, which is half a gigabyte and is not worth loading before the first engine.
// Throws EngineError. Thread safety: yes.
void load_whole_torch();

}  // namespace greenlane::detail
