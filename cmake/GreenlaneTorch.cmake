# PyTorch from its wheel. find_package(Torch) would ask for nvcc and a whole toolkit, which greenlane does not need. The
# target torch::wheel below has what greenlane needs: headers, libc10, libc10_cuda, libtorch_cpu. greenlane loads
# libtorch_cuda (half a gigabyte) with the first CUDA engine.
include(${CMAKE_CURRENT_LIST_DIR}/GreenlanePython.cmake)
if(NOT GREENLANE_TORCH_DIR)
  greenlane_python_find(found torch/include/ATen/ATen.h)
  if(NOT found)
    message(FATAL_ERROR "PyTorch was not found beside ${GREENLANE_PYTHON}: install it there (pip install torch==2.15.0), "
                        "or set GREENLANE_TORCH_DIR to the folder of the torch package.")
  endif()
  cmake_path(GET found PARENT_PATH found)
  cmake_path(SET found NORMALIZE ${found}/../..)
  set(GREENLANE_TORCH_DIR ${found} CACHE PATH "Folder of the torch Python package")
endif()
if(NOT EXISTS ${GREENLANE_TORCH_DIR}/lib/libc10_cuda.so)
  message(FATAL_ERROR "PyTorch in ${GREENLANE_TORCH_DIR} was built without CUDA, and greenlane needs PyTorch for CUDA, also "
                      "on a machine without a GPU: install it from PyPI (pip install torch).")
endif()
file(STRINGS ${GREENLANE_TORCH_DIR}/version.py version_line REGEX "^__version__")
string(REGEX MATCH "[0-9]+\\.[0-9]+\\.[0-9]+" GREENLANE_TORCH_VERSION "${version_line}")
if(GREENLANE_TORCH_VERSION VERSION_LESS 2.11)
  message(FATAL_ERROR "PyTorch ${GREENLANE_TORCH_VERSION} in ${GREENLANE_TORCH_DIR} is too old: greenlane needs 2.11 or newer.")
elseif(GREENLANE_TORCH_VERSION VERSION_GREATER_EQUAL 2.16)
  message(WARNING "PyTorch ${GREENLANE_TORCH_VERSION} is newer than this version of greenlane, which was tried with 2.11 to 2.15.")
endif()
# NVIDIA ships one header, which the CUDA runtime's headers include, in a package of its own.
if(EXISTS ${GREENLANE_CUDA_INCLUDE_DIR}/crt/host_defines.h)
  set(GREENLANE_CUDA_CRT_DIR ${GREENLANE_CUDA_INCLUDE_DIR})
else()
  greenlane_python_find(found nvidia/cu13/include/crt/host_defines.h)
  if(NOT found)
    message(FATAL_ERROR "crt/host_defines.h was not found beside ${GREENLANE_PYTHON}: pip install 'cuda-toolkit[crt]'.")
  endif()
  cmake_path(SET GREENLANE_CUDA_CRT_DIR NORMALIZE ${found}/../..)
endif()

if(NOT TARGET torch::wheel)
  add_library(torch::wheel INTERFACE IMPORTED)
  target_include_directories(torch::wheel SYSTEM INTERFACE
    ${GREENLANE_TORCH_DIR}/include ${GREENLANE_TORCH_DIR}/include/torch/csrc/api/include ${GREENLANE_CUDA_INCLUDE_DIR}
    ${GREENLANE_CUDA_CRT_DIR})
  target_link_libraries(torch::wheel INTERFACE
    ${GREENLANE_TORCH_DIR}/lib/libtorch_cpu.so ${GREENLANE_TORCH_DIR}/lib/libc10_cuda.so ${GREENLANE_TORCH_DIR}/lib/libc10.so)
  # Inline functions of PyTorch's headers call the CUDA runtime.
  file(GLOB cudart ${GREENLANE_CUDA_INCLUDE_DIR}/../lib/libcudart.so.* ${GREENLANE_CUDA_INCLUDE_DIR}/../lib64/libcudart.so)
  if(cudart)
    list(GET cudart 0 cudart)
    target_link_libraries(torch::wheel INTERFACE ${cudart})
  endif()
  # PyTorch's libraries find each other and NVIDIA's by their own run path, so the linker need not look for them.
  target_link_options(torch::wheel INTERFACE -Wl,--allow-shlib-undefined)
endif()
message(STATUS "PyTorch ${GREENLANE_TORCH_VERSION} in ${GREENLANE_TORCH_DIR}")
