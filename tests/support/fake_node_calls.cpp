// The nodes of graphs, and the kernels of libraries and modules.
#include "support/fake_driver_calls.hpp"

#include <sstream>
#include <string>

namespace greenlane::fake {

CUresult fake_cuGraphKernelNodeGetParams(CUgraphNode node, CUDA_KERNEL_NODE_PARAMS_v2* params) {
  return call("cuGraphKernelNodeGetParams", [&](State& s) {
    const auto* const found = s.find(node);
    if (!found) return s.violate("an unknown node asked", CUDA_ERROR_INVALID_HANDLE);
    *params = {};
    params->func = found->function;
    params->kern = found->kernel;
    params->ctx = found->context;
    return CUDA_SUCCESS;
  });
}

// As the driver does, takes a new context for a function in silence, and leaves it where it was.
CUresult fake_cuGraphKernelNodeSetParams(CUgraphNode node, const CUDA_KERNEL_NODE_PARAMS_v2* params) {
  return call("cuGraphKernelNodeSetParams", [&](State& s) {
    auto* const found = s.find(node);
    if (!found) return s.violate("an unknown node set", CUDA_ERROR_INVALID_HANDLE);
    if (params->func && params->kern) return s.violate("a node with two kernels", CUDA_ERROR_INVALID_VALUE);
    if (!params->func && !params->kern) return s.violate("a node without a kernel", CUDA_ERROR_INVALID_VALUE);
    found->function = params->func;
    found->kernel = params->kern;
    if (!params->kern) return CUDA_SUCCESS;
    found->context = params->ctx;
    found->sms = s.sms_of(params->ctx);
    return CUDA_SUCCESS;
  });
}

CUresult fake_cuGraphKernelNodeGetAttribute(CUgraphNode node, CUkernelNodeAttrID attribute,
                                            CUkernelNodeAttrValue* value) {
  return call("cuGraphKernelNodeGetAttribute", [&](State& s) {
    const auto* const found = s.find(node);
    if (!found || attribute != CU_KERNEL_NODE_ATTRIBUTE_COOPERATIVE) return CUDA_ERROR_INVALID_VALUE;
    return value->cooperative = found->kind == NodeKind::cooperative_kernel ? 1 : 0, CUDA_SUCCESS;
  });
}

CUresult fake_cuGraphMemsetNodeGetParams(CUgraphNode node, CUDA_MEMSET_NODE_PARAMS_v1* params) {
  return call("cuGraphMemsetNodeGetParams", [&](State& s) {
    const auto* const found = s.find(node);
    if (!found || found->kind != NodeKind::memset) return s.violate("not a memset node", CUDA_ERROR_INVALID_VALUE);
    return *params = {}, CUDA_SUCCESS;
  });
}

CUresult fake_cuGraphMemcpyNodeGetParams(CUgraphNode node, CUDA_MEMCPY3D_v2* params) {
  return call("cuGraphMemcpyNodeGetParams", [&](State& s) {
    const auto* const found = s.find(node);
    if (!found || found->kind != NodeKind::copy) return s.violate("not a memcpy node", CUDA_ERROR_INVALID_VALUE);
    return *params = {}, CUDA_SUCCESS;
  });
}

CUresult fake_cuGraphNodeSetParams(CUgraphNode node, CUgraphNodeParams* params) {
  return call("cuGraphNodeSetParams", [&](State& s) {
    auto* const found = s.find(node);
    const bool is_memset = found && found->kind == NodeKind::memset && params->type == CU_GRAPH_NODE_TYPE_MEMSET;
    const bool is_copy = found && found->kind == NodeKind::copy && params->type == CU_GRAPH_NODE_TYPE_MEMCPY;
    if (!is_memset && !is_copy) return s.violate("a node set to another type", CUDA_ERROR_INVALID_VALUE);
    found->context = is_memset ? params->memset.ctx : params->memcpy.copyCtx;
    found->sms = s.sms_of(found->context);
    return CUDA_SUCCESS;
  });
}

CUresult fake_cuGraphChildGraphNodeGetGraph(CUgraphNode /*node*/, CUgraph* /*graph*/) {
  return call("cuGraphChildGraphNodeGetGraph", [&](State&) { return CUDA_ERROR_INVALID_VALUE; });
}

CUresult fake_cuLibraryLoadData(CUlibrary* library, const void* code, CUjit_option* /*jit*/, void** /*values*/,
                                unsigned int /*count*/, CUlibraryOption* /*options*/, void** /*option_values*/,
                                unsigned int /*option_count*/) {
  return call("cuLibraryLoadData", [&](State& s) {
    std::istringstream image(static_cast<const char*>(code));
    Kernel kernel;
    if (!(image >> kernel.name >> kernel.registers)) return CUDA_ERROR_INVALID_IMAGE;
    *library = s.new_handle<CUlibrary>();
    s.libraries[*library] = std::move(kernel);
    return CUDA_SUCCESS;
  });
}

CUresult fake_cuLibraryUnload(CUlibrary library) {
  const auto unload = [&](State& s) {
    for (const auto& [graph, nodes] : s.graphs) {
      for (const auto& node : nodes) {
        if (node.kernel == reinterpret_cast<CUkernel>(library)) s.violate("a library unloaded in use", CUDA_SUCCESS);
      }
    }
    return s.libraries.erase(library) == 0 ? s.violate("an unknown library unloaded", CUDA_ERROR_INVALID_HANDLE)
                                           : CUDA_SUCCESS;
  };
  return call("cuLibraryUnload", unload, Effect::release);
}

CUresult fake_cuLibraryGetKernel(CUkernel* kernel, CUlibrary library, const char* name) {
  return call("cuLibraryGetKernel", [&](State& s) {
    if (s.libraries.at(library).name != name) return CUDA_ERROR_NOT_FOUND;
    return *kernel = reinterpret_cast<CUkernel>(library), CUDA_SUCCESS;
  });
}

CUresult fake_cuKernelGetName(const char** name, CUkernel kernel) {
  return call("cuKernelGetName", [&](State& s) {
    const auto library = s.libraries.find(reinterpret_cast<CUlibrary>(kernel));
    *name = library != s.libraries.end() ? library->second.name.c_str() : reinterpret_cast<const char*>(kernel);
    return CUDA_SUCCESS;
  });
}

CUresult fake_cuFuncGetName(const char** name, CUfunction function) {
  return call("cuFuncGetName", [&](State& s) { return *name = s.functions.at(function).name.c_str(), CUDA_SUCCESS; });
}

CUresult fake_cuFuncGetAttribute(int* value, CUfunction_attribute attribute, CUfunction function) {
  return call("cuFuncGetAttribute", [&](State& s) {
    const auto& found = s.functions.at(function);
    *value = attribute == CU_FUNC_ATTRIBUTE_NUM_REGS                        ? found.registers
             : attribute == CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES ? found.dynamic_shared
                                                                            : 0;
    return CUDA_SUCCESS;
  });
}

CUresult fake_cuKernelGetAttribute(int* value, CUfunction_attribute attribute, CUkernel kernel, CUdevice /*device*/) {
  return call("cuKernelGetAttribute", [&](State& s) {
    const auto& found = s.libraries.at(reinterpret_cast<CUlibrary>(kernel));
    return *value = attribute == CU_FUNC_ATTRIBUTE_NUM_REGS ? found.registers : 0, CUDA_SUCCESS;
  });
}

CUresult fake_cuKernelSetAttribute(CUfunction_attribute /*attribute*/, int value, CUkernel kernel,
                                   CUdevice /*device*/) {
  return call("cuKernelSetAttribute", [&](State& s) {
    return s.libraries.at(reinterpret_cast<CUlibrary>(kernel)).dynamic_shared = value, CUDA_SUCCESS;
  });
}

// Every kernel has one parameter.
CUresult fake_cuFuncGetParamInfo(CUfunction /*function*/, std::size_t index, std::size_t* offset, std::size_t* size) {
  return call("cuFuncGetParamInfo", [&](State&) {
    if (index > 0) return CUDA_ERROR_INVALID_VALUE;
    return *offset = 0, *size = 8, CUDA_SUCCESS;
  });
}

CUresult fake_cuKernelGetParamInfo(CUkernel /*kernel*/, std::size_t index, std::size_t* offset, std::size_t* size) {
  return call("cuKernelGetParamInfo", [&](State&) {
    if (index > 0) return CUDA_ERROR_INVALID_VALUE;
    return *offset = 0, *size = 8, CUDA_SUCCESS;
  });
}

}  // namespace greenlane::fake
