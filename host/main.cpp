#include "app/host_program.hpp"

#include <exception>
#include <iostream>

int main(int argc, char** argv) {
  try {
    return calbridge::app::runProgram(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "calbridge: internal error: " << error.what() << '\n';
    return 3;
  }
}
