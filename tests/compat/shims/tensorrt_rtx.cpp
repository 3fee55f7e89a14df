// The one function of TensorRT-RTX that Torch-TensorRT-RTX's runtime asks for: there is no runtime to be had.
extern "C" void* createInferRuntime_INTERNAL(void* /*logger*/, int /*version*/) { return nullptr; }
