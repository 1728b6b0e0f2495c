# Warnings and hardening for every target of this project (OpenSSF compiler options hardening guide).
set(CALBRIDGE_WARNING_FLAGS -Wall -Wextra -Wpedantic -Wshadow)
set(CALBRIDGE_CXX_WARNING_FLAGS -Wconversion -Wnon-virtual-dtor -Woverloaded-virtual)
if(CALBRIDGE_WARNINGS_AS_ERRORS)
  list(APPEND CALBRIDGE_WARNING_FLAGS -Werror)
endif()

set(CALBRIDGE_HARDENING_FLAGS -fstack-protector-strong -fstack-clash-protection -fcf-protection=full)
if(NOT CALBRIDGE_SANITIZE)
  list(APPEND CALBRIDGE_HARDENING_FLAGS -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -D_GLIBCXX_ASSERTIONS)
endif()

add_library(calbridge_flags INTERFACE)
target_compile_options(calbridge_flags INTERFACE
  ${CALBRIDGE_WARNING_FLAGS} $<$<COMPILE_LANGUAGE:CXX>:${CALBRIDGE_CXX_WARNING_FLAGS}> ${CALBRIDGE_HARDENING_FLAGS})
# Poco's targets bring feature macros; everything gets them, or the precompiled header would fit one half of the code only.
target_compile_definitions(calbridge_flags INTERFACE $<TARGET_PROPERTY:Poco::Foundation,INTERFACE_COMPILE_DEFINITIONS>)
target_link_options(calbridge_flags INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack)
set(CMAKE_EXE_LINKER_FLAGS "${CMAKE_EXE_LINKER_FLAGS} -pie")

set(CALBRIDGE_TEST_SLOWDOWN 1)
if(CALBRIDGE_SANITIZE)
  # What tests run with; see calbridge_test_runs. A data race ends the program at once, so that no test can overlook it.
  set(CALBRIDGE_TEST_SLOWDOWN 3)
  # Only those of the sanitizers that are there: tests tell by them what they run under.
  if(CALBRIDGE_SANITIZE MATCHES thread)
    set(CALBRIDGE_SANITIZER_OPTIONS
      TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:suppressions=${CMAKE_SOURCE_DIR}/cmake/sanitizers/tsan.supp)
  else()
    set(CALBRIDGE_SANITIZER_OPTIONS
      ASAN_OPTIONS=detect_stack_use_after_return=1:check_initialization_order=1:strict_string_checks=1
      UBSAN_OPTIONS=print_stacktrace=1)
  endif()
  # g++ 12 takes the sanitizers' own code for reads of uninitialized members (std::function in <regex>, among others).
  target_compile_options(calbridge_flags INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  # Not vptr: to look at a class for the first time, that check opens a pipe (libsanitizer, IsAccessibleMemoryRange), and
  # reports a healthy object when the process is out of descriptors, which tests bring about on purpose.
  add_compile_options(-fsanitize=${CALBRIDGE_SANITIZE} -fno-sanitize=vptr -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${CALBRIDGE_SANITIZE})
  if(CALBRIDGE_FUZZ)
    include(cmake/Fuzzing.cmake)
  endif()
  if(CALBRIDGE_SANITIZE MATCHES thread) # into every program, and open to the plugins that it loads
    add_library(calbridge_clocklock OBJECT cmake/sanitizers/tsan_clocklock.cpp)
    target_sources(calbridge_flags INTERFACE
      $<$<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>:$<TARGET_OBJECTS:calbridge_clocklock>>)
    target_link_options(calbridge_flags INTERFACE
      $<$<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>:-Wl,--export-dynamic-symbol=pthread_mutex_clocklock>)
  endif()
endif()

find_program(CALBRIDGE_CCACHE ccache)
if(CALBRIDGE_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_C_COMPILER_LAUNCHER ${CALBRIDGE_CCACHE})
  # The precompiled header needs these: ccache cannot see through it otherwise.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
    CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} ${CALBRIDGE_CCACHE})
endif()
