// The parts of PyTorch that greenlane does not link.
#pragma once

namespace greenlane::detail {

// Loads libtorch.so, and with it PyTorch's CUDA half, unless they are loaded. Compiled packages ask for libtorch.so by
// name, and engines on a GPU need the CUDA half. It takes half a gigabyte, so it is not loaded before the first engine.
// Throws: EngineError.
// Thread safety: any thread may call it.
void load_whole_torch();

// Loads what packages for a CPU need. On a machine without a driver that is not the CUDA half, which takes 2.3 GB of
// address space and the time to map it: greenlane's own libtorch.so, which holds PyTorch's CPU half alone, stands in
// for PyTorch's. Otherwise calls load_whole_torch(), because PyTorch looks for its CUDA half once. Throws: EngineError.
// Thread safety: any thread may call it.
void load_torch_for_cpu();

}  // namespace greenlane::detail
