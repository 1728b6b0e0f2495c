#include "core/error.hpp"
#include "plugins/plugin_library.hpp"

#include <iostream>

/// calbridge-plugin-probe PATH: loads one plugin and says on standard output what is wrong with it. The host runs it
/// before it loads a plugin itself, so that a file that kills whoever loads it kills this.
int main(int argc, char** argv) {
  if (argc != 2) {
    std::cout << "usage: calbridge-plugin-probe PATH.so";
    return 2;
  }
  try {
    calbridge::plugins::PluginLibrary::loadHere(argv[1]);
    return 0;
  } catch (const std::exception& exception) {
    std::cout << exception.what() << std::flush;
    return 1;
  }
}
