#include "app/host_program.hpp"

#include <exception>
#include <fcntl.h>
#include <iostream>
#include <unistd.h>

namespace {

/// Whoever starts the program without one of the standard descriptors gets /dev/null for it: else the next file or
/// connection has its number, and what is printed lands in there.
void fillStandardDescriptors() {
  int fd = 0;
  while (fd >= 0 && fd <= STDERR_FILENO) {
    fd = ::open("/dev/null", O_RDWR); // the lowest that is free
  }
  if (fd > STDERR_FILENO) {
    ::close(fd);
  }
}

} // namespace

int main(int argc, char** argv) {
  fillStandardDescriptors();
  try {
    return calbridge::app::runProgram(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "calbridge: internal error: " << error.what() << '\n';
    return 3;
  }
}
