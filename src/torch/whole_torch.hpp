// The parts of PyTorch that greenlane does not link.
#pragma once

namespace greenlane::detail {

// Loads libtorch.so, and with it PyTorch's CUDA half, unless they are loaded. Compiled packages ask for libtorch.so by
// name, and engines on a GPU need the CUDA half. It takes half a gigabyte, so it is not loaded before the first engine.
// Throws: EngineError.
// Thread safety: any thread may call it.
void load_whole_torch();

}  // namespace greenlane::detail
