# CUDA's headers, for types only: nothing links libcuda. They come from PyTorch's own wheels, or from a CUDA toolkit.
include(${CMAKE_CURRENT_LIST_DIR}/GreenlanePython.cmake)
if(NOT GREENLANE_CUDA_INCLUDE_DIR)
  greenlane_python_find(found nvidia/cu13/include/cuda.h nvidia/cuda_runtime/include/cuda.h)
  if(NOT found)
    find_path(toolkit cudaTypedefs.h PATHS /usr/local/cuda/include ENV CUDA_HOME PATH_SUFFIXES include NO_CACHE)
    if(NOT toolkit)
      message(FATAL_ERROR "CUDA's headers were not found beside ${GREENLANE_PYTHON}, nor in a toolkit: install PyTorch there "
                          "(pip install torch), or set GREENLANE_CUDA_INCLUDE_DIR.")
    endif()
    set(found ${toolkit}/cuda.h)
  endif()
  cmake_path(GET found PARENT_PATH found)
  set(GREENLANE_CUDA_INCLUDE_DIR ${found} CACHE PATH "Folder of cuda.h")
endif()
if(NOT TARGET greenlane_cuda_headers)  # a project may call find_package(greenlane) twice
  add_library(greenlane_cuda_headers INTERFACE)
  target_include_directories(greenlane_cuda_headers SYSTEM INTERFACE $<BUILD_INTERFACE:${GREENLANE_CUDA_INCLUDE_DIR}>)
endif()
