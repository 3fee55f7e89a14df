# Prometheus's client library (Debian: prometheus-cpp-dev). Its own CMake package asks for the development files of
# libraries that greenlane does not use.
find_path(GREENLANE_PROMETHEUS_INCLUDE_DIR prometheus/text_serializer.h REQUIRED)
find_library(GREENLANE_PROMETHEUS_CORE prometheus-cpp-core REQUIRED)
add_library(greenlane_prometheus INTERFACE)
target_include_directories(greenlane_prometheus SYSTEM INTERFACE ${GREENLANE_PROMETHEUS_INCLUDE_DIR})
target_link_libraries(greenlane_prometheus INTERFACE ${GREENLANE_PROMETHEUS_CORE})
# The name by which a program asks for it when it starts, for machines without the Debian package.
file(GLOB GREENLANE_PROMETHEUS_RUNTIME ${GREENLANE_PROMETHEUS_CORE}.*)
list(SORT GREENLANE_PROMETHEUS_RUNTIME COMPARE NATURAL)
list(GET GREENLANE_PROMETHEUS_RUNTIME 0 GREENLANE_PROMETHEUS_RUNTIME)

# The web server is Boost.Beast's (Debian: libboost-dev), which has headers only. The server of Prometheus's library
# has threads with 100 KiB of stack, of which PyTorch's thread-local variables leave too little in a program.
find_path(GREENLANE_BOOST_INCLUDE_DIR boost/beast/http.hpp REQUIRED)
find_package(Threads REQUIRED)
add_library(greenlane_beast INTERFACE)
target_include_directories(greenlane_beast SYSTEM INTERFACE ${GREENLANE_BOOST_INCLUDE_DIR})
target_link_libraries(greenlane_beast INTERFACE Threads::Threads)
