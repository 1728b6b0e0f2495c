# find_package(calbridge-sdk): the target calbridge::sdk and the function calbridge_add_plugin. Finds its files from where
# it lies itself, so the whole tree may be moved. The C++ headers need nlohmann-json; a project in C alone does not.
get_property(calbridge_sdk_languages GLOBAL PROPERTY ENABLED_LANGUAGES)
if("CXX" IN_LIST calbridge_sdk_languages)
  include(CMakeFindDependencyMacro)
  find_dependency(nlohmann_json 3.11)
endif()
unset(calbridge_sdk_languages)

if(NOT TARGET calbridge::sdk)
  add_library(calbridge::sdk INTERFACE IMPORTED)
  get_filename_component(calbridge_sdk_prefix ${CMAKE_CURRENT_LIST_DIR}/../../.. ABSOLUTE)
  set_target_properties(calbridge::sdk PROPERTIES INTERFACE_INCLUDE_DIRECTORIES ${calbridge_sdk_prefix}/include)
  if(TARGET nlohmann_json::nlohmann_json)
    set_target_properties(calbridge::sdk PROPERTIES INTERFACE_LINK_LIBRARIES nlohmann_json::nlohmann_json)
  endif()
  unset(calbridge_sdk_prefix)
endif()
include(${CMAKE_CURRENT_LIST_DIR}/CalbridgePlugin.cmake)
