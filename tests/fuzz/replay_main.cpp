#include "fuzz/target.hpp"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <unistd.h>
#include <vector>

namespace {

char current[1024]; ///< the file being tried, for the handler

/// Says which input it was; then the signal does what it always does.
extern "C" void name(int signal) {
  static constexpr char kWords[] = "\nwhile replaying ";
  [[maybe_unused]] auto written = write(STDERR_FILENO, kWords, sizeof kWords - 1);
  written = write(STDERR_FILENO, current, std::strlen(current));
  written = write(STDERR_FILENO, "\n", 1);
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

} // namespace

/// Runs every file of the named folders, and the named files, once each, in the order of their names. An empty input
/// comes first.
int main(int argc, char** argv) {
  namespace fs = std::filesystem;
  std::vector<fs::path> files;
  for (int i = 1; i < argc; ++i) {
    if (fs::is_directory(argv[i]))
      std::copy(fs::directory_iterator(argv[i]), fs::directory_iterator(), std::back_inserter(files));
    else
      files.emplace_back(argv[i]);
  }
  std::sort(files.begin(), files.end());
  std::signal(SIGABRT, name);
  std::signal(SIGSEGV, name);
  std::strncpy(current, "an empty input", sizeof current - 1);
  calbridge::fuzz::run({});
  for (const fs::path& file : files) {
    std::strncpy(current, file.c_str(), sizeof current - 1);
    std::ifstream in(file, std::ios::binary);
    const std::string input{std::istreambuf_iterator<char>(in), {}};
    if (!in.good() && !in.eof()) {
      std::fprintf(stderr, "%s: cannot be read\n", file.c_str());
      return 1;
    }
    calbridge::fuzz::run(input);
  }
  std::printf("%zu inputs replayed\n", files.size() + 1);
  return files.empty() ? 1 : 0; // a corpus that is gone must not pass for one that holds
}
