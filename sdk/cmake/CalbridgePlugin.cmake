# calbridge_add_plugin(NAME sources... [LIBS libraries...] [OUTPUT_DIRECTORY folder])
# Makes lib<NAME>.so, a calbridge provider plugin that exports its one symbol and nothing else. Target: calbridge_plugin_<NAME>.
# Sources in C++ (20) or C (11). Static libraries among LIBS stay hidden inside. The default folder is ${CMAKE_BINARY_DIR}/plugins.
function(calbridge_add_plugin name)
  cmake_parse_arguments(P "" "OUTPUT_DIRECTORY" "LIBS" ${ARGN})
  if(NOT P_OUTPUT_DIRECTORY)
    set(P_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/plugins)
  endif()
  set(target calbridge_plugin_${name})
  set(script ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/plugin.version)
  add_library(${target} MODULE ${P_UNPARSED_ARGUMENTS})
  get_property(languages GLOBAL PROPERTY ENABLED_LANGUAGES)
  if("CXX" IN_LIST languages)
    target_compile_features(${target} PRIVATE cxx_std_20)
  endif()
  if("C" IN_LIST languages)
    target_compile_features(${target} PRIVATE c_std_11)
  endif()
  target_link_libraries(${target} PRIVATE calbridge::sdk ${P_LIBS})
  if(TARGET calbridge_flags)
    target_link_libraries(${target} PRIVATE calbridge_flags)
  endif()
  # Unique symbols would merge the statics of all plugins in one process.
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-fno-gnu-unique>)
  target_link_options(${target} PRIVATE -Wl,--version-script=${script} -Wl,--exclude-libs,ALL -Wl,--as-needed -Wl,-z,relro,-z,now)
  if(NOT CALBRIDGE_SANITIZE)
    target_link_options(${target} PRIVATE -Wl,-z,defs)
  endif()
  set_target_properties(${target} PROPERTIES
    OUTPUT_NAME ${name} PREFIX lib SUFFIX .so LINK_DEPENDS ${script}
    C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
    POSITION_INDEPENDENT_CODE ON LIBRARY_OUTPUT_DIRECTORY ${P_OUTPUT_DIRECTORY})
endfunction()
