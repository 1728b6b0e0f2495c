#pragma once
#include "conformance/child_process.hpp"
#include "conformance/trial.hpp"

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

/// The two sides of a check's process: calbridge-plugin-check runs one job, and who started it reads what came out.
namespace calbridge::conformance {

/// Jobs that are no checks: what the plugin is, and a whole life for comparing, in either way of running.
inline constexpr const char* kDescribeJob = "describe";
inline constexpr const char* kTranscriptJob = "transcript";
inline constexpr const char* kIsolatedTranscriptJob = "isolated-transcript";

/// What a process has left.
struct ProcessResult {
  bool done = false;                 ///< it came to its end and said how
  std::string failure;               ///< otherwise: how it died, and what it was doing
  std::vector<std::string> findings; ///< empty: passed
  std::string skipped;               ///< the reason; empty: it was not
  std::string transcript;            ///< empty: the life did not come to its end
  nlohmann::json plugin;             ///< {"manifest", "operations"}
  std::string output;                ///< standard output and error
};

/// The main function of calbridge-plugin-check: `arguments` names a check or a job; the Job comes on standard input,
/// the result goes to descriptor 3. Returns the exit code.
int runCheckProcess(const std::vector<std::string>& arguments);

/// Reads what a process left. `sanitized`: a failing exit code counts after all was said, too.
ProcessResult resultOf(const ChildEnd& end, bool sanitized = false);

} // namespace calbridge::conformance
