# Puts openapi.json into calbridge_http.
file(READ ${CMAKE_CURRENT_LIST_DIR}/openapi.json CALBRIDGE_OPENAPI)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/openapi.json)
configure_file(${CMAKE_CURRENT_LIST_DIR}/openapi.cpp.in ${CMAKE_BINARY_DIR}/generated/openapi.cpp @ONLY)
target_sources(calbridge_http PRIVATE ${CMAKE_BINARY_DIR}/generated/openapi.cpp)
