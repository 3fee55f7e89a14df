// libnvinfer_plugin.so, without any plugins.
#include <NvInferPlugin.h>

bool initLibNvInferPlugins(void* /*logger*/, char const* /*libNamespace*/) { return true; }
