# greenlane_discover_suites(PROGRAM [ALONE SUITE...] PROPERTIES NAME VALUE...): adds one CTest entry for each suite of a
# test program, because a program that loads PyTorch needs half a second to start. The suites after ALONE need a new
# process for each case.
set(GREENLANE_DISCOVER_SUITES ${CMAKE_CURRENT_LIST_DIR}/discover_suites.cmake)
function(greenlane_discover_suites program)
  cmake_parse_arguments(PARSE_ARGV 1 "" "" "" "ALONE;PROPERTIES")
  set(base ${CMAKE_CURRENT_BINARY_DIR}/${program}_suites)
  file(GENERATE OUTPUT ${base}.cmake CONTENT
"set(suites_of [==[$<TARGET_FILE:${program}>]==])
set(suites_file [==[${base}.txt]==])
set(alone [==[${_ALONE}]==])
set(properties [==[${_PROPERTIES}]==])
include([==[${GREENLANE_DISCOVER_SUITES}]==])
")
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${base}.cmake)
endfunction()
