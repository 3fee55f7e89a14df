// The one function of TensorRT's plugin library that Torch-TensorRT's runtime needs. There are no plugins.
extern "C" bool initLibNvInferPlugins(void* /*logger*/, const char* /*name_space*/) { return true; }
