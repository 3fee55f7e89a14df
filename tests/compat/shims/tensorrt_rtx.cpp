// The one function of TensorRT-RTX that Torch-TensorRT-RTX's runtime needs. It never gives a runtime.
extern "C" void* createInferRuntime_INTERNAL(void* /*logger*/, int /*version*/) { return nullptr; }
