# `cmake --install`: libraries, headers, the program, and a package for find_package(greenlane). The result can be moved.
# A wheel is the same, inside the Python package, and finds PyTorch beside itself.
set(libraries greenlane_core greenlane_planner)
set(exported greenlane_core greenlane_planner)
set(run_path "$ORIGIN")
if(GREENLANE_TORCH)
  list(APPEND libraries greenlane_torch greenlane_audit greenlane_runtime greenlane_bindings greenlane_commands greenlane_cpu_torch)
  list(APPEND exported greenlane_torch greenlane_audit greenlane_runtime)
  if(GREENLANE_WHEEL)  # site-packages/greenlane/lib beside site-packages/torch/lib
    list(APPEND run_path "$ORIGIN/../../torch/lib" "$ORIGIN/../../nvidia/cu13/lib")
  else()
    list(APPEND run_path ${GREENLANE_TORCH_DIR}/lib)
  endif()
  set_target_properties(greenlane_cli PROPERTIES INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
  install(TARGETS greenlane_bindings greenlane_commands greenlane_cpu_torch LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(TARGETS greenlane_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
set_target_properties(${libraries} PROPERTIES INSTALL_RPATH "${run_path}")

if(GREENLANE_WHEEL)
  install(FILES python/greenlane_command.py DESTINATION ${SKBUILD_PLATLIB_DIR})
  # Debian's library, which a machine without a compiler lacks.
  get_filename_component(name ${GREENLANE_PROMETHEUS_RUNTIME} NAME)
  file(REAL_PATH ${GREENLANE_PROMETHEUS_RUNTIME} library)
  install(PROGRAMS ${library} DESTINATION ${CMAKE_INSTALL_LIBDIR} RENAME ${name})
  file(GLOB licence /usr/share/doc/libprometheus-cpp-core*/copyright)
  install(FILES ${licence} DESTINATION ${CMAKE_INSTALL_LIBDIR} RENAME libprometheus-cpp-core.copyright)
endif()

include(CMakePackageConfigHelpers)
set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/greenlane)
install(TARGETS ${exported} EXPORT greenlane-targets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT greenlane-targets NAMESPACE greenlane:: DESTINATION ${package_folder})
install(DIRECTORY include/greenlane ${PROJECT_BINARY_DIR}/include/greenlane DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
if(NOT GREENLANE_WHEEL)  # a wheel is for another machine
  set(greenlane_torch_dir ${GREENLANE_TORCH_DIR})
  set(greenlane_cuda_dir ${GREENLANE_CUDA_INCLUDE_DIR})
endif()
configure_package_config_file(cmake/greenlane-config.cmake.in ${PROJECT_BINARY_DIR}/greenlane-config.cmake INSTALL_DESTINATION ${package_folder})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/greenlane-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/greenlane-config.cmake ${PROJECT_BINARY_DIR}/greenlane-config-version.cmake
              cmake/GreenlanePython.cmake cmake/GreenlaneCudaHeaders.cmake cmake/GreenlaneTorch.cmake
        DESTINATION ${package_folder})
