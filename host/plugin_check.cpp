#include "conformance/check_process.hpp"

#include <iostream>

/// calbridge-plugin-check JOB: the process of one check of `calbridge plugins check`, which starts it. What the plugin
/// does to its process, it does to this one.
int main(int argc, char** argv) {
  try {
    return calbridge::conformance::runCheckProcess({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::cerr << "calbridge-plugin-check: " << error.what() << '\n';
    return 3;
  }
}
