# The preset `fuzz`: clang 14 with libFuzzer, ASan and UBSan. Read by Flags.cmake when CALBRIDGE_FUZZ is on.
if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  message(FATAL_ERROR "CALBRIDGE_FUZZ needs clang: cmake --preset fuzz")
endif()
# Everything is instrumented, plugins too; only the targets themselves get libFuzzer's main (tests/fuzz/CMakeLists.txt).
# Not `function`: it compares type descriptions by address, and those of a plugin are its own.
add_compile_options(-fsanitize=fuzzer-no-link -fno-sanitize=function)
# An empty optional and an index behind a vector's end are finds too, and no sanitizer sees them.
add_compile_definitions(_GLIBCXX_ASSERTIONS)
# Neither is part of clang's `undefined`, and both are what a number from outside does.
add_compile_options(-fsanitize=float-cast-overflow,float-divide-by-zero -fno-sanitize-recover=all)
add_link_options(-fsanitize=float-cast-overflow,float-divide-by-zero)
