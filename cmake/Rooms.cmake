# calbridge_room(NAME [ROOMS other rooms it may include] [LIBS libraries] [FOLDER where it is, if not NAME]
#                [WITHOUT folder inside that is a room of its own]): one static library per room of host/.
# A room sees core and the rooms it names, so an include across a forbidden wall does not link.
function(calbridge_room name)
  cmake_parse_arguments(ROOM "" "FOLDER;WITHOUT" "ROOMS;LIBS" ${ARGN})
  if(NOT ROOM_FOLDER)
    set(ROOM_FOLDER ${name})
  endif()
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${ROOM_FOLDER}/*.cpp)
  if(ROOM_WITHOUT)
    list(FILTER sources EXCLUDE REGEX "/${ROOM_WITHOUT}/")
  endif()
  set(target calbridge_${name})
  set(libs ${ROOM_LIBS})
  foreach(room ${ROOM_ROOMS})
    list(APPEND libs calbridge_${room})
  endforeach()
  if(sources)
    add_library(${target} STATIC ${sources})
    target_include_directories(${target} PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
    target_link_libraries(${target} PUBLIC ${libs} PRIVATE calbridge_flags)
    calbridge_pch(${target})
  else()
    add_library(${target} INTERFACE)
    target_include_directories(${target} INTERFACE ${CMAKE_CURRENT_SOURCE_DIR})
    target_link_libraries(${target} INTERFACE ${libs})
  endif()
endfunction()

# One precompiled header for all C++ of the host and its tests.
function(calbridge_pch target)
  if(NOT TARGET calbridge_pch_owner)
    file(WRITE ${CMAKE_BINARY_DIR}/pch_owner.cpp.in "")
    configure_file(${CMAKE_BINARY_DIR}/pch_owner.cpp.in ${CMAKE_BINARY_DIR}/pch_owner.cpp COPYONLY)
    add_library(calbridge_pch_owner STATIC ${CMAKE_BINARY_DIR}/pch_owner.cpp)
    target_link_libraries(calbridge_pch_owner PUBLIC nlohmann_json::nlohmann_json Threads::Threads PRIVATE calbridge_flags)
    target_precompile_headers(calbridge_pch_owner PRIVATE
      <algorithm> <atomic> <chrono> <condition_variable> <cstdint> <functional> <map> <memory> <mutex> <optional>
      <set> <span> <stdexcept> <string> <string_view> <thread> <unordered_map> <utility> <variant> <vector> <nlohmann/json.hpp>)
  endif()
  target_link_libraries(${target} PRIVATE Threads::Threads)
  get_target_property(type ${target} TYPE)
  if(type STREQUAL "EXECUTABLE") # the precompiled header is PIC, and the compiler wants that of its users too
    set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
    target_compile_options(${target} PRIVATE -fPIC)
  endif()
  target_precompile_headers(${target} REUSE_FROM calbridge_pch_owner)
endfunction()

# calbridge_test_runs(NAME SECONDS): the time that the test NAME may take, and where it finds the programs. The one place
# that gives tests more time under a sanitizer (CALBRIDGE_TEST_SLOWDOWN, cmake/Flags.cmake): ctest's limit, and
# CALBRIDGE_TEST_DEADLINE, the seconds that a test waits for anything.
function(calbridge_test_runs name seconds)
  math(EXPR limit "${seconds} * ${CALBRIDGE_TEST_SLOWDOWN}")
  math(EXPR deadline "60 * ${CALBRIDGE_TEST_SLOWDOWN}")
  set(environment CALBRIDGE_SOURCE_DIR=${CMAKE_SOURCE_DIR} CALBRIDGE_BINARY_DIR=${CMAKE_BINARY_DIR}
    CALBRIDGE_TEST_DEADLINE=${deadline} ${CALBRIDGE_SANITIZER_OPTIONS})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${limit} ENVIRONMENT "${environment}")
endfunction()

# calbridge_test(NAME SOURCES ... LIBS ... [LABELS ...]): a Catch2 program, registered with ctest as one test.
function(calbridge_test name)
  cmake_parse_arguments(T "" "TIMEOUT" "SOURCES;LIBS;LABELS" ${ARGN})
  add_executable(${name} ${T_SOURCES})
  target_link_libraries(${name} PRIVATE calbridge_flags calbridge_catch ${T_LIBS})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
  target_compile_definitions(${name} PRIVATE CALBRIDGE_SOURCE_DIR="${CMAKE_SOURCE_DIR}" CALBRIDGE_BINARY_DIR="${CMAKE_BINARY_DIR}")
  calbridge_pch(${name})
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 300)
  endif()
  add_test(NAME ${name} COMMAND ${name} --durations no)
  calbridge_test_runs(${name} ${T_TIMEOUT})
  set_tests_properties(${name} PROPERTIES LABELS "${T_LABELS}" WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
endfunction()
