# find_package(calbridge-sdk): the target calbridge::sdk and the function calbridge_add_plugin.
include(CMakeFindDependencyMacro)
find_dependency(nlohmann_json)

if(NOT TARGET calbridge::sdk)
  add_library(calbridge::sdk INTERFACE IMPORTED)
  get_filename_component(prefix ${CMAKE_CURRENT_LIST_DIR}/../../.. ABSOLUTE)
  set_target_properties(calbridge::sdk PROPERTIES
    INTERFACE_INCLUDE_DIRECTORIES ${prefix}/include INTERFACE_LINK_LIBRARIES nlohmann_json::nlohmann_json)
endif()
include(${CMAKE_CURRENT_LIST_DIR}/CalbridgePlugin.cmake)
