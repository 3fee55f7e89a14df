# `cmake --install`: libraries, headers, the program, and a package for find_package(greenlane). A wheel gets only the
# libraries, inside the Python package.
if(GREENLANE_WHEEL)
  # site-packages/greenlane/lib beside site-packages/torch/lib
  set_target_properties(greenlane_core greenlane_planner greenlane_torch greenlane_audit greenlane_runtime greenlane_bindings PROPERTIES INSTALL_RPATH "$ORIGIN;$ORIGIN/../../torch/lib;$ORIGIN/../../nvidia/cu13/lib")
  install(TARGETS greenlane_core greenlane_planner greenlane_torch greenlane_audit greenlane_runtime greenlane_bindings LIBRARY DESTINATION greenlane/lib)
  get_filename_component(name ${GREENLANE_PROMETHEUS_RUNTIME} NAME)
  file(REAL_PATH ${GREENLANE_PROMETHEUS_RUNTIME} library)
  install(PROGRAMS ${library} DESTINATION greenlane/lib RENAME ${name})
  file(GLOB licence /usr/share/doc/libprometheus-cpp-core*/copyright)
  install(FILES ${licence} DESTINATION greenlane/lib RENAME libprometheus-cpp-core.copyright)
  return()
endif()

include(CMakePackageConfigHelpers)
set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/greenlane)
set(targets greenlane_core greenlane_planner)
set(library_path "$ORIGIN")
if(GREENLANE_TORCH)
  list(APPEND targets greenlane_torch greenlane_audit greenlane_runtime greenlane_bindings greenlane_commands greenlane_cli)
  list(APPEND library_path ${GREENLANE_TORCH_DIR}/lib)
  set_target_properties(greenlane_cli PROPERTIES INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
endif()
foreach(target IN LISTS targets)
  if(NOT target STREQUAL greenlane_cli)
    set_target_properties(${target} PROPERTIES INSTALL_RPATH "${library_path}")
  endif()
endforeach()

set(exported greenlane_core greenlane_planner)
if(GREENLANE_TORCH)
  list(APPEND exported greenlane_torch greenlane_audit greenlane_runtime)
  install(TARGETS greenlane_bindings greenlane_commands greenlane_cpu_torch LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(TARGETS greenlane_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
install(TARGETS ${exported} EXPORT greenlane-targets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT greenlane-targets NAMESPACE greenlane:: DESTINATION ${package_folder})
install(DIRECTORY include/greenlane ${PROJECT_BINARY_DIR}/include/greenlane DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

configure_package_config_file(cmake/greenlane-config.cmake.in ${PROJECT_BINARY_DIR}/greenlane-config.cmake INSTALL_DESTINATION ${package_folder})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/greenlane-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/greenlane-config.cmake ${PROJECT_BINARY_DIR}/greenlane-config-version.cmake
              cmake/GreenlanePython.cmake cmake/GreenlaneCudaHeaders.cmake cmake/GreenlaneTorch.cmake
        DESTINATION ${package_folder})
