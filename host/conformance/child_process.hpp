#pragma once
#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

namespace calbridge::conformance {

/// How a child process ended, and what it left.
struct ChildEnd {
  bool timedOut = false; ///< it was killed when its time was over
  int signal = 0;        ///< that killed it, else 0
  int exitCode = 0;
  std::string result; ///< what it wrote to descriptor 3
  std::string output; ///< what it wrote to standard output and standard error
};

/// Runs `program` in a process group of its own with `input` on its standard input, descriptor 3 for its result, and
/// an environment of `environment` alone; waits for its end, at most `timeout`, then kills it and what it has started.
/// Thread-safe. Throws Error("plugin_check_failed") when it cannot be started.
ChildEnd runChild(const std::filesystem::path& program, const std::vector<std::string>& arguments,
                  const std::vector<std::string>& environment, const std::string& input,
                  std::chrono::milliseconds timeout);

} // namespace calbridge::conformance
