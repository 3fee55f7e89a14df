// libnvinfer_plugin.so: there are no plugins.
#include <NvInferPlugin.h>

bool initLibNvInferPlugins(void* /*logger*/, char const* /*libNamespace*/) { return true; }
