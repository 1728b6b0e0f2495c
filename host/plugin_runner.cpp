#include "plugins/runner.hpp"

#include <charconv>
#include <cstring>
#include <iostream>

/// calbridge-plugin-runner PATH.so --fd N: runs one plugin for the host at the other end of descriptor N.
/// calbridge-plugin-runner PATH.so: says what is wrong with the plugin, if anything is.
int main(int argc, char** argv) {
  if (argc == 2 && argv[1][0] != '-') {
    calbridge::plugins::tryPlugin(argv[1]);
  }
  int socket = -1;
  if (argc == 4 && std::strcmp(argv[2], "--fd") == 0) {
    std::from_chars(argv[3], argv[3] + std::strlen(argv[3]), socket);
  }
  if (socket < 0) {
    std::cerr << "usage: calbridge-plugin-runner PATH.so [--fd N]\n";
    return 2;
  }
  calbridge::plugins::runPlugin(argv[1], socket);
}
