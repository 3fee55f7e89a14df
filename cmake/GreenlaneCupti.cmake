# CUPTI's headers for the audit. Only types are used; CUPTI itself is loaded at run time. The headers come with
# PyTorch's wheels or with a toolkit. Without them, or with headers that are too old, the audit says that it was built
# without CUPTI.
include(CheckCXXSourceCompiles)
if(NOT DEFINED GREENLANE_CUPTI_INCLUDE_DIR)
  find_path(GREENLANE_CUPTI_INCLUDE_DIR cupti.h NO_DEFAULT_PATH
    PATHS ${GREENLANE_CUDA_INCLUDE_DIR} ${GREENLANE_CUDA_INCLUDE_DIR}/../extras/CUPTI/include
          ${GREENLANE_CUDA_INCLUDE_DIR}/../../cuda_cupti/include
          /usr/local/cuda/include /usr/local/cuda/extras/CUPTI/include
    DOC "Folder of cupti.h; empty: build without the audit")
endif()
foreach(kernel CUpti_ActivityKernel10 CUpti_ActivityKernel9)
  if(NOT GREENLANE_CUPTI_INCLUDE_DIR OR GREENLANE_CUPTI_KERNEL)
    break()
  endif()
  set(CMAKE_REQUIRED_INCLUDES ${GREENLANE_CUPTI_INCLUDE_DIR} ${GREENLANE_CUDA_INCLUDE_DIR})
  check_cxx_source_compiles("
    #include <cupti.h>
    int main() {
      ${kernel} kernel{}; CUpti_ActivityMemcpy6 copy{}; CUpti_ActivityMemset4 set{}; CUpti_ActivityContext3 context{};
      return kernel.graphId + copy.graphId + set.graphId + context.isGreenContext;
    }" GREENLANE_HAVE_${kernel})
  if(GREENLANE_HAVE_${kernel})
    set(GREENLANE_CUPTI_KERNEL ${kernel} CACHE INTERNAL "The record of a kernel")
  endif()
  unset(CMAKE_REQUIRED_INCLUDES)
endforeach()
if(GREENLANE_CUPTI_INCLUDE_DIR AND GREENLANE_CUPTI_KERNEL)
  add_library(greenlane_cupti_headers INTERFACE)
  target_include_directories(greenlane_cupti_headers SYSTEM INTERFACE ${GREENLANE_CUPTI_INCLUDE_DIR})
  target_compile_definitions(greenlane_cupti_headers INTERFACE GREENLANE_CUPTI_KERNEL=${GREENLANE_CUPTI_KERNEL})
  message(STATUS "CUPTI's headers in ${GREENLANE_CUPTI_INCLUDE_DIR}")
else()
  set(GREENLANE_CUPTI_INCLUDE_DIR "")
  message(STATUS "CUPTI's headers were not found: `greenlane audit` will say so")
endif()
