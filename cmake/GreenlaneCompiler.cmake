# Warnings, ccache and sanitizers, in one interface target: greenlane_options.
add_library(greenlane_options INTERFACE)
target_compile_options(greenlane_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Werror=return-type)
# GCC 12 warns of overlapping copies in std::string's operator+ where there are none (GCC bug 105651).
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(greenlane_options INTERFACE -Wno-restrict)
endif()
# In a unity build GCC takes a source for a header, and warns of members whose types only one source knows.
if(CMAKE_UNITY_BUILD AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  target_compile_options(greenlane_options INTERFACE -Wno-subobject-linkage)
endif()

if(GREENLANE_SANITIZE)
  target_compile_options(greenlane_options INTERFACE -fsanitize=${GREENLANE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(greenlane_options INTERFACE -fsanitize=${GREENLANE_SANITIZE})
endif()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # Precompiled headers defeat ccache's checks unless ccache is told that they are safe (its manual, "Precompiled
  # headers"). With paths relative to the sources, builds at the same depth share their objects: that of the program and
  # that of the wheel.
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${CCACHE_PROGRAM})
endif()

# Programs are compiled as libraries are (-fPIC, not -fPIE): GCC accepts a precompiled header only with the flag with
# which it was made, and all users of PyTorch share one.
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  set(CMAKE_CXX_COMPILE_OPTIONS_PIE -fPIC)
endif()
